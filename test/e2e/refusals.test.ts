import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { program, temporaryFolder, testDrive } from '../support/drive.js'
import { ordinaryUser } from '../support/ordinary-user.js'
import { offered } from '../support/person.js'

const test = testWhere('fuse')
const testAsRoot = testWhere('fuse', 'root')

test('R-60 daemon run beside another daemon of the home says so and has the status of LOCKED', async (t) => {
  const drive = testDrive(t)
  await drive.up()
  const { code, stderr } = await drive.run(['daemon', 'run'])
  t.is(code, 12)
  t.regex(stderr, /Another daemon of this home is running.*daemon stop/)
  await drive.unmount()
})

test('R-60 up with another node fails for a drive that exists, and prints the line to use', async (t) => {
  const drive = testDrive(t)
  const first = `file://${join(drive.home, '..', 'first')}`
  const second = `file://${join(drive.home, '..', 'second')}`
  await drive.up(['--node', first])
  const other = await drive.run(['up', drive.mountpoint, '--node', second])
  t.is(other.code, 11)
  t.true(other.stderr.includes(`node set ${second}`), other.stderr)
  await drive.up(['--node', first])
  const { node } = await drive.json<{ node: { where: string } }>(['status'])
  t.is(`file://${node.where}`, first)
  await drive.unmount()
})

test('R-60 up makes no drive where it cannot mount', async (t) => {
  const drive = testDrive(t)
  writeFileSync(join(drive.mountpoint, 'file'), 'in the way')
  const { code, stderr } = await drive.run(['up', drive.mountpoint])
  t.is(code, 44, stderr)
  t.false(existsSync(join(drive.home, 'drive.key')))
})

testAsRoot('R-60 without fusermount3 an ordinary user gets no drive, and is sent to doctor', async (t) => {
  const user = await ordinaryUser(t)
  const programs = temporaryFolder(t)
  chmodSync(programs, 0o755)
  symlinkSync('/usr/bin/flock', join(programs, 'flock'))
  const withoutHelper = { ...user, prefix: [...user.prefix, '/usr/bin/env', `PATH=${programs}`] }
  const drive = testDrive(t, { user: withoutHelper })
  const { code, stderr } = await drive.run(['up', drive.mountpoint])
  t.is(code, 15, stderr)
  t.regex(stderr, /fusermount3: not found.*doctor/)
  t.false(existsSync(join(drive.home, 'drive.key')))
})

test('R-60 S-189 a recovery phrase without its node makes no drive; the line that a message offers has all options', async (t) => {
  const first = testDrive(t)
  const folder = temporaryFolder(t)
  const phrase = join(folder, 'phrase')
  await first.up(['--node', `file://${join(folder, 'node')}`, '--phrase-out', phrase])
  await first.unmount()
  const second = testDrive(t)
  const { code, stderr } = await second.run(['up', second.mountpoint, '--phrase-file', phrase])
  t.is(code, 10)
  t.true(stderr.includes(`up ${second.mountpoint} --node URL --phrase-file ${phrase}"`), stderr)
  t.false(existsSync(join(second.home, 'drive.key')))
  writeFileSync(join(second.mountpoint, 'file'), 'in the way')
  const typed = ['up', second.mountpoint, '--node', `file://${join(folder, 'node')}`, '--phrase-file', phrase]
  const full = await second.run(typed)
  t.is(full.code, 44, full.stderr)
  const [, ...words] = offered(full.stderr, '--adopt')
    .split(' up ')
    .flatMap((part) => part.split(' '))
  const adopting = words.slice(words.indexOf('--adopt'))
  t.regex(await second.must(['up', ...adopting]), /Opened the published drive[^]*Moved 1 file/)
  await second.must(typed)
  const unsealed = await second.run(['mount', second.mountpoint, '--passphrase-file', phrase])
  t.is(unsealed.code, 2, unsealed.stderr)
  t.regex(unsealed.stderr, /has no passphrase.*Nothing was changed/)
  await second.unmount()
})

test('R-60 S-210 S-211 commands on a locked drive say whether changes may be unpublished, and detach its dead mount', async (t) => {
  const drive = testDrive(t)
  const passphrase = join(temporaryFolder(t), 'passphrase')
  writeFileSync(passphrase, 'a long enough sentence for a test\n', { mode: 0o600 })
  await drive.up(['--passphrase-file', passphrase])
  await drive.unmount()
  t.is((await drive.json<{ state: string }>(['status'])).state, 'locked')
  t.regex(await drive.must(['unmount']), /Nothing was mounted.*The drive is locked. Everything is published/s)
  t.is((await drive.run(['unmount', drive.mountpoint])).code, 16)
  t.is((await drive.run(['daemon', 'stop'])).code, 0)

  await drive.mount(['--passphrase-file', passphrase])
  program('sh', ['-c', 'echo staged > "$1/file" && sync "$1/file"', 'sh', drive.mountpoint])
  drive.killAll()
  const words = /may be changes on this machine that are not published/
  const status = await drive.must(['status'])
  t.true(status.includes(`Dead mount: ${drive.mountpoint}`), status)
  t.regex(status, words)
  const now = await drive.run(['unmount', '--now'])
  t.is(now.code, 3, now.stderr)
  t.true(now.stdout.includes(`Unmounted ${drive.mountpoint}.`), now.stdout)
  t.regex(now.stdout, words)
  t.false(readFileSync('/proc/self/mountinfo', 'utf8').includes(drive.mountpoint))
  for (const isRunning of [true, false]) {
    const drained = await drive.run(['unmount'])
    t.is(drained.code, 12, `the daemon ${isRunning ? 'runs' : 'is started'}`)
    t.regex(drained.stderr, words)
    const stop = await drive.run(['daemon', 'stop'])
    t.is(stop.code, 3)
    t.regex(stop.stdout, words)
  }
  t.is((await drive.run(['status'])).code, 0)
  t.regex(await drive.must(['unmount', '--passphrase-file', passphrase]), /Everything is published/)
})

test('R-60 S-138 status of a drive that cannot be opened has an exit status', async (t) => {
  const drive = testDrive(t, { mayFail: true })
  await drive.up()
  await drive.unmount()
  const tables = join(drive.home, 'data', 'meta', 'data.mdb')
  writeFileSync(tables, Buffer.alloc(statSync(tables).size))
  const { code, stdout } = await drive.run(['status'])
  t.is(code, 4, stdout)
  t.regex(stdout, /failed[^]*data\.mdb is not a whole database/)
})

test('R-60 unmount called inside the mount is not stopped by itself', async (t) => {
  const drive = testDrive(t)
  await drive.up()
  const command = 'cd "$1" && exec "$2" "$3" unmount "$1"'
  const cli = join(drive.installation, 'dist/src/cli/main.js')
  const env = { ...process.env, DAGDRIVE_HOME: drive.home }
  program('sh', ['-c', command, 'sh', drive.mountpoint, process.execPath, cli], { env })
  t.false(readFileSync('/proc/self/mountinfo', 'utf8').includes(drive.mountpoint))
})

for (const { kind, mount, fill, status, words } of [
  { kind: 'read-only', mount: 'ro,size=1m', fill: 0, status: 49, words: /read-only/ },
  { kind: 'full', mount: 'size=64k', fill: 64, status: 32, words: /disk is full/ },
  { kind: 'nearly full', mount: 'size=16m', fill: 16_000, status: 32, words: /disk is full/ },
]) {
  testAsRoot(`R-60 a ${kind} disk is named as one`, async (t: ExecutionContext) => {
    const folder = temporaryFolder(t)
    const disk = join(folder, 'disk')
    mkdirSync(disk)
    program('mount', ['-t', 'tmpfs', '-o', mount, 'tmpfs', disk])
    // Lazily: threads of a killed daemon may still be ending.
    t.teardown(() => program('umount', ['-l', disk]))
    const drive = testDrive(t, { home: join(disk, 'home') })
    const filled = join(disk, 'filled')
    if (fill > 0) {
      mkdirSync(drive.home)
      program('sh', ['-c', `head -c ${fill * 1024} /dev/zero > "$1" || true`, 'sh', filled])
    }
    const { code, stderr } = await drive.run(['up', drive.mountpoint])
    t.is(code, status, stderr)
    t.regex(stderr, words)
    t.false(existsSync(join(drive.home, 'drive.key')))
    if (kind === 'full') t.is((await drive.run(['daemon', 'run'])).code, status)
    if (kind !== 'nearly full') return
    rmSync(filled)
    await drive.up()
    await drive.must(['key', 'show'])
    await drive.run(['unmount', '--now'])
  })
}
