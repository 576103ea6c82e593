import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { program, temporaryFolder, testDrive, type TestDrive } from '../support/drive.js'
import { until } from '../support/until.js'

const test = testWhere('fuse')

interface Status {
  readonly state: string
  readonly levels: Readonly<Record<'held' | 'staged' | 'stored' | 'published', { files: number; bytes: number }>>
  readonly copies: readonly { sameMachine: boolean }[]
  readonly mounts: readonly { directory: string }[]
  readonly publishedHeight: number
}

const write = (drive: TestDrive, name: string, text: string): void => {
  program('sh', ['-c', 'cat > "$1"; sync "$1"', 'sh', name], { cwd: drive.mountpoint, input: text })
}
const read = (drive: TestDrive, name: string): string => program('cat', [name], { cwd: drive.mountpoint })
const isMounted = (drive: TestDrive): boolean => readFileSync('/proc/self/mountinfo', 'utf8').includes(drive.mountpoint)

test('R-20 R-60 S-010 a fresh home: up, write, sync, unmount; the daemon exits, and the next mount has all content', async (t: ExecutionContext) => {
  const drive = testDrive(t)
  t.regex(await drive.up(), /recovery phrase[^]*Mounted at/)
  write(drive, 'letter', 'dear all')
  await drive.must(['sync'])
  const status = await drive.json<Status>(['status'])
  t.is(status.levels.published.files, 1)
  t.is(status.levels.staged.files, 0)
  t.deepEqual(
    status.copies.map(({ sameMachine }) => sameMachine),
    [true],
  )
  t.regex(await drive.must(['status']), /losing this machine loses the drive/)
  write(drive, 'later', 'more')
  t.regex(await drive.unmount(), /Everything is published/)
  t.false(isMounted(drive))
  t.is(drive.daemonPid(), undefined)
  await drive.mount()
  t.is(read(drive, 'letter'), 'dear all')
  t.is(read(drive, 'later'), 'more')
  await drive.unmount()
})

test('S-154 status fails while the daemon is stopped, and other commands wait until it is continued', async (t: ExecutionContext) => {
  const drive = testDrive(t)
  await drive.up()
  const pid = drive.daemonPid()!
  process.kill(pid, 'SIGSTOP')
  try {
    const waiting = drive.run(['sync'])
    const { code, stderr } = await drive.run(['status', '--json'])
    t.is(code, 14)
    const { error } = JSON.parse(stderr) as { error: { code: string; message: string; about: unknown } }
    t.deepEqual([error.code, error.about], ['DAEMON_UNREACHABLE', { pid }])
    t.regex(error.message, new RegExp(`stopped.*kill -CONT ${pid}$`))
    process.kill(pid, 'SIGCONT')
    const synced = await waiting
    t.is(synced.code, 0, synced.stderr)
  } finally {
    process.kill(pid, 'SIGCONT')
  }
  await drive.unmount()
})

test('R-14 S-010 unmount --now reports staged changes and exits with 3, and the next unmount publishes them', async (t: ExecutionContext) => {
  const drive = testDrive(t, { environment: { DAGDRIVE_DEBOUNCE_MS: '3600000' } })
  await drive.up(['--phrase-out', join(drive.home, '..', 'phrase')])
  await drive.must(['sync'])
  write(drive, 'note', 'twelve bytes')
  const left = await drive.run(['unmount', '--now', '--json'])
  t.is(left.code, 3)
  t.deepEqual((JSON.parse(left.stdout) as { staged: unknown }).staged, { files: 1, bytes: 12 })
  t.false(isMounted(drive))
  t.is(drive.daemonPid(), undefined)
  await drive.mount()
  t.is(read(drive, 'note'), 'twelve bytes')
  t.is((await drive.json<Status>(['status'])).levels.staged.files, 1)
  t.is((await drive.run(['unmount'])).code, 0)
})

test('R-05 S-012 after a kill of daemon and holder, the next command detaches the dead mount and mounts again', async (t: ExecutionContext) => {
  const drive = testDrive(t)
  await drive.up(['--phrase-out', join(drive.home, '..', 'phrase')])
  write(drive, 'kept', 'still here')
  drive.killAll()
  t.throws(() => read(drive, 'kept'))
  const restored = await drive.json<{ mounts: { directory: string }[] }>(['status'])
  t.deepEqual(
    restored.mounts.map(({ directory }) => directory),
    [drive.mountpoint],
    JSON.stringify(restored) + drive.log(),
  )
  t.is(read(drive, 'kept'), 'still here')
  drive.killAll()
  await drive.mount()
  t.is(read(drive, 'kept'), 'still here')
  t.is(program('sh', ['-c', `grep -c "${drive.mountpoint}" /proc/self/mountinfo`]).trim(), '1')
  drive.killAll()
  const ended = await drive.run(['unmount', '--now'])
  t.true([0, 3].includes(ended.code), `${ended.code} ${ended.stderr}`)
  t.false(isMounted(drive))
})

test('S-012 a mount requested by a symlink is on its target, and is restored there after a kill', async (t: ExecutionContext) => {
  const drive = testDrive(t)
  const link = join(temporaryFolder(t, 'link'), 'link')
  symlinkSync(drive.mountpoint, link)
  t.regex(await drive.must(['up', link]), new RegExp(`Mounted at ${drive.mountpoint}\\.`))
  drive.killAll()
  t.is((await drive.json<{ mounts: unknown[] }>(['status'])).mounts.length, 1)
  t.is(program('sh', ['-c', `grep -c "${drive.mountpoint}" /proc/self/mountinfo`]).trim(), '1')
  await drive.must(['unmount', link])
  t.false(isMounted(drive))
})

test('R-41 with a sealed key file, nothing opens without the passphrase, and arguments, environment and log hold no secret', async (t: ExecutionContext) => {
  const folder = temporaryFolder(t, 'sealed')
  const [passphrase, wrong, phrase] = [join(folder, 'passphrase'), join(folder, 'wrong'), join(folder, 'phrase')]
  writeFileSync(passphrase, 'correct horse battery\n', { mode: 0o600 })
  writeFileSync(wrong, 'wrong\n', { mode: 0o600 })
  const drive = testDrive(t)
  await drive.up(['--passphrase-file', passphrase, '--phrase-out', phrase])
  const words = readFileSync(phrase, 'utf8').trim()
  const pid = drive.daemonPid()
  for (const file of ['cmdline', 'environ']) {
    const text = readFileSync(`/proc/${pid}/${file}`, 'latin1')
    t.false(text.includes('correct horse') || text.includes(words), file)
  }
  await drive.unmount()
  t.is((await drive.json<Status>(['status'])).state, 'locked')
  t.is((await drive.run(['mount', drive.mountpoint])).code, 12, 'LOCKED: there is no terminal for the passphrase')
  t.is((await drive.run(['unmount', '--passphrase-file', passphrase])).code, 0, 'unmount also opens it')
  t.is((await drive.run(['mount', drive.mountpoint, '--passphrase-file', wrong])).code, 13)
  await drive.mount(['--passphrase-file', passphrase])
  t.is(
    (await drive.must(['key', 'show']))
      .split(/\s+/)
      .filter((word) => /^[a-z]+$/.test(word))
      .join(' '),
    words,
  )
  await drive.unmount()
  const log = readFileSync(join(drive.home, 'daemon.log'), 'latin1')
  t.false(log.includes('correct horse') || words.split(' ').every((word) => log.includes(word)))
})

test('one daemon per home, even if many commands start at once; all its files are private', async (t: ExecutionContext) => {
  const drive = testDrive(t)
  await drive.must(['init', '--phrase-out', join(drive.home, '..', 'phrase')])
  await drive.stop()
  const results = await Promise.all([
    drive.run(['mount', drive.mountpoint]),
    drive.run(['mount', drive.mountpoint]),
    drive.run(['status']),
    drive.run(['mount', drive.mountpoint]),
  ])
  t.deepEqual(
    results.map(({ code }) => code),
    [0, 0, 0, 0],
    results.map(({ stderr }) => stderr).join(''),
  )
  t.is(program('sh', ['-c', `grep -c "${drive.mountpoint}" /proc/self/mountinfo`]).trim(), '1')
  for (const name of program('find', [drive.home, '-ignore_readdir_race', '-perm', '/077']).split('\n')) t.is(name, '')
  t.is((await drive.run(['mount', `${drive.mountpoint}-2`])).code, 17, 'one mount per drive')
  t.is((await drive.run(['unmount', '/nowhere'])).code, 16)
  await drive.unmount()
})

test('a foreground mount ends when it is unmounted', async (t: ExecutionContext) => {
  const drive = testDrive(t)
  await drive.must(['init', '--phrase-out', join(drive.home, '..', 'phrase')])
  let ended = false
  const foreground = drive.run(['mount', drive.mountpoint, '--foreground']).finally(() => (ended = true))
  t.true(await until(() => ended || isMounted(drive)))
  t.false(ended, drive.log())
  await drive.unmount()
  t.is((await foreground).code, 0)
})

test('SIGTERM stages, unmounts and loses nothing', async (t: ExecutionContext) => {
  const drive = testDrive(t, { environment: { DAGDRIVE_DEBOUNCE_MS: '3600000' } })
  await drive.up(['--phrase-out', join(drive.home, '..', 'phrase')])
  program('sh', ['-c', 'echo unsynced > file'], { cwd: drive.mountpoint })
  const pid = drive.daemonPid()
  t.truthy(pid)
  process.kill(pid!, 'SIGTERM')
  t.true(await until(() => !existsSync(`/proc/${pid}/fd/0`)), drive.log())
  t.false(isMounted(drive))
  await drive.mount()
  t.is(read(drive, 'file'), 'unsynced\n')
  await drive.unmount()
})

test('doctor works with and without a daemon, and finds files that others can read', async (t: ExecutionContext) => {
  const drive = testDrive(t)
  const fresh = await drive.run(['doctor', '--json'])
  t.is(fresh.code, 0, fresh.stdout)
  await drive.up(['--phrase-out', join(drive.home, '..', 'phrase')])
  t.is((await drive.run(['doctor'])).code, 0)
  await drive.unmount()
  program('chmod', ['0644', join(drive.home, 'drive.key')])
  const found = await drive.run(['doctor'])
  t.is(found.code, 4)
  t.regex(found.stdout, /PROBLEM drive key: .*chmod 600/)
})
