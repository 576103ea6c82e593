import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { program, testDrive, type TestDrive } from '../support/drive.js'
import { ordinaryUser, type OrdinaryUser } from '../support/ordinary-user.js'
import { until } from '../support/until.js'

const test = testWhere('fuse')
const testAsRoot = testWhere('fuse', 'root')

/** The mount is in the user's own namespace: here, the path shows the directory beneath. */
const modeBeneath = (drive: TestDrive): number => statSync(drive.mountpoint).mode & 0o7777

function asUser({ prefix }: OrdinaryUser, script: string, ...args: readonly string[]): string {
  const [command, ...words] = [...prefix, 'sh', '-c', script, 'sh', ...args]
  return program(command!, words)
}

testAsRoot(
  'S-160 a mountpoint that up made is 0500 beneath the mount and after it: an ordinary user saves nothing there by mistake',
  async (t: ExecutionContext) => {
    const user = await ordinaryUser(t)
    const drive = testDrive(t, { user })
    rmdirSync(drive.mountpoint)
    const note = join(drive.mountpoint, 'note')
    await drive.up()
    t.is(modeBeneath(drive), 0o500)
    asUser(user, 'echo kept > "$1"', note)
    await drive.unmount()
    t.is(modeBeneath(drive), 0o500)
    t.throws(() => asUser(user, 'echo plaintext > "$1"', note), { message: /denied/ })
    await drive.up()
    t.is(modeBeneath(drive), 0o500)
    t.is(asUser(user, 'cat "$1"', note), 'kept\n')
    drive.killDaemon()
    t.is(asUser(user, 'cat "$1"', note), 'kept\n')
    await drive.run(['unmount', '--now'])
    t.is(modeBeneath(drive), 0o500)
    writeFileSync(`${note}s`, 'saved by root, whom modes do not stop')
    t.is((await drive.run(['up', drive.mountpoint])).code, 44)
    t.regex(await drive.up(['--adopt']), /Moved 1 file /)
    t.regex(asUser(user, 'cat "$1"', `${note}s`), /saved by root/)
    await drive.run(['unmount', '--now'])
    t.deepEqual([modeBeneath(drive), ...readdirSync(drive.mountpoint)], [0o500])
  },
)

interface Shell {
  readonly shell: ChildProcessWithoutNullStreams
  readonly ready: Promise<void>
}

/** Detaches the mount while a shell is inside. */
function detachUnderShell(drive: TestDrive, prefix: readonly string[], detach: readonly string[]): Shell {
  const [command, ...words] = [...prefix, 'sh']
  const shell = spawn(command, words, { stdio: ['pipe', 'pipe', 'pipe'] })
  shell.stdin.write(`cd ${drive.mountpoint}\necho inside > inside\necho ready\n`)
  const [helper, ...args] = [...prefix, ...detach, drive.mountpoint]
  return { shell, ready: once(shell.stdout, 'data').then(() => void program(helper, args)) }
}

/** Maps a file, closes it, and writes through the mapping without msync when it gets a line. */
const MAP = `
import mmap, os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.truncate(file, 9000)
mapping = mmap.mmap(file, 9000)
os.close(file)
print('ready', flush=True)
sys.stdin.readline()
mapping[0:6] = b'mapped'
mapping[8994:9000] = b'to end'
print('written', flush=True)
sys.stdin.readline()
`

/** A program that has written through a mapping of a file of a mount that is detached then. */
async function mappedUnderDetached(
  t: ExecutionContext,
  drive: TestDrive,
  prefix: readonly string[],
  detach: readonly string[],
): Promise<void> {
  const [command, ...words] = [...prefix, 'python3', '-c', MAP, join(drive.mountpoint, 'mapped')]
  const mapping = spawn(command, words, { stdio: ['pipe', 'pipe', 'inherit'], cwd: '/' })
  t.teardown(() => mapping.kill('SIGKILL'))
  await once(mapping.stdout, 'data')
  const [helper, ...args] = [...prefix, ...detach, drive.mountpoint]
  program(helper, args)
  mapping.stdin.write('\n')
  await once(mapping.stdout, 'data')
}

const MAPPED = `mapped${'\0'.repeat(8988)}to end`

test('S-179 bytes of a mapping that was never synced are there after a daemon stop under a detached mount', async (t: ExecutionContext) => {
  const drive = testDrive(t)
  await drive.up()
  await mappedUnderDetached(t, drive, [], ['umount', '-l'])
  await drive.run(['daemon', 'stop'])
  await drive.up()
  t.is(readFileSync(join(drive.mountpoint, 'mapped'), 'latin1'), MAPPED, drive.log())
  await drive.run(['unmount', '--now'])
})

test('S-161 after umount -l with a shell inside, up shows the mount again, and the shell shares it', async (t: ExecutionContext) => {
  const drive = testDrive(t)
  await drive.up()
  const { shell, ready } = detachUnderShell(drive, [], ['umount', '-l'])
  t.teardown(() => shell.kill('SIGKILL'))
  await ready
  t.deepEqual(readdirSync(drive.mountpoint), [])
  await drive.up()
  t.is(readFileSync(join(drive.mountpoint, 'inside'), 'utf8'), 'inside\n')
  writeFileSync(join(drive.mountpoint, 'outside'), 'outside')
  shell.stdin.write('cat outside; echo; echo more >> inside\n')
  const [said] = (await once(shell.stdout, 'data')) as [Buffer]
  t.regex(said.toString(), /outside/)
  t.true(await until(() => readFileSync(join(drive.mountpoint, 'inside'), 'utf8') === 'inside\nmore\n'))
  const busy = await drive.run(['unmount'])
  t.regex(busy.stderr, /Programs still use/)
  await drive.up()
  shell.stdin.end('exit\n')
  await once(shell, 'exit')
  drive.killDaemon()
  t.is(program('cat', [join(drive.mountpoint, 'outside')]), 'outside', 'it is still held')
  await drive.up()
  const inside = testDrive(t)
  const refused = await inside.run(['up', join(drive.mountpoint, 'sub')])
  t.regex(refused.stderr, /lies in the drive that is mounted at/)
  t.false(existsSync(join(drive.mountpoint, 'sub')), 'nothing is made in the drive')
  for (const words of [[], ['--adopt']]) {
    const { code, stderr } = await inside.run(['up', drive.mountpoint, ...words])
    t.is(code, 17, stderr)
    t.regex(stderr, /Another drive is already mounted at/)
  }
  t.is((await inside.run(['status'])).code, 10, 'no drive is made')
  const again = detachUnderShell(drive, [], ['umount', '-l'])
  t.teardown(() => again.shell.kill('SIGKILL'))
  await again.ready
  await drive.must(['unmount', '--force'])
  t.deepEqual((await drive.json<{ mounts: unknown[] }>(['status'])).mounts, [])
  t.deepEqual(readdirSync(drive.mountpoint), [])
})

testAsRoot(
  'S-161 S-179 an ordinary user gets a new mount there: the shell inside the old one gets errors, and nothing is lost',
  async (t: ExecutionContext) => {
    const user = await ordinaryUser(t)
    const drive = testDrive(t, { user })
    await drive.up()
    const { shell, ready } = detachUnderShell(drive, user.prefix, ['true'])
    t.teardown(() => shell.kill('SIGKILL'))
    await ready
    await mappedUnderDetached(t, drive, user.prefix, ['fusermount3', '-u', '-z'])
    await drive.up()
    t.is(asUser(user, 'cat "$1"', join(drive.mountpoint, 'mapped')), MAPPED)
    t.is(asUser(user, 'cat "$1"', join(drive.mountpoint, 'inside')), 'inside\n', drive.log())
    shell.stdin.end('echo lost > inside || echo failed\n')
    const [said] = (await once(shell.stdout, 'data')) as [Buffer]
    t.regex(said.toString(), /failed/)
    t.is(asUser(user, 'cat "$1"', join(drive.mountpoint, 'inside')), 'inside\n')
    await drive.unmount()
    t.is(modeBeneath(drive), 0o755, 'a directory of the user gets its mode back')
  },
)

/** What a user may have saved there: in Python, because Node has no times in nanoseconds and no attributes. */
const SAVE = `
import os, sys
os.chdir(sys.argv[1])
os.mkdir('docs'); os.mkdir('docs/deep', 0o750)
for path, text in (('note', 'other'), ('docs/report.txt', 'report'), ('docs/deep/x', 'x'), (b'n\\xff', 'bytes')):
    with open(path, 'w') as file: file.write(text)
os.chmod('docs/report.txt', 0o640)
os.utime('docs/report.txt', ns=(1_600_000_000_000_000_001, 1_600_000_000_123_456_789))
os.setxattr('docs/report.txt', 'user.kind', b'letter')
os.symlink('nowhere', 'docs/link'); os.link('docs/report.txt', 'linked'); os.mkfifo('pipe')
with open('sparse', 'wb') as file: file.truncate(1 << 20)
os.utime('docs/deep', ns=(5, 1_500_000_000_000_000_007))
`
const SHOW = `
import os, sys
os.chdir(sys.argv[1])
report = os.stat('docs/report.txt')
print(oct(report.st_mode), report.st_mtime_ns, os.getxattr('docs/report.txt', 'user.kind'), report.st_nlink)
print(os.stat('linked').st_ino == report.st_ino, os.readlink('docs/link'), os.stat('sparse').st_size)
print(oct(os.stat('docs/deep').st_mode), os.stat('docs/deep').st_mtime_ns, oct(os.lstat('pipe').st_mode))
print(sorted(os.listdir(b'.')), sorted(os.listdir('docs')), open('docs/deep/x').read(), open(b'n\\xff').read())
`

test('S-162 up --adopt moves what is in the directory into the drive, as mv would, and replaces nothing', async (t: ExecutionContext) => {
  const drive = testDrive(t)
  const [note, docs] = [join(drive.mountpoint, 'note'), join(drive.mountpoint, 'docs')]
  await drive.up()
  program('sh', ['-c', 'mkdir docs; echo kept > note; echo old > docs/old; sync note'], { cwd: drive.mountpoint })
  await drive.run(['unmount', '--now'])
  program('python3', ['-c', SAVE, drive.mountpoint])
  const refused = await drive.run(['up', drive.mountpoint])
  t.is(refused.code, 44)
  t.true(refused.stderr.includes(`up --adopt ${drive.mountpoint}"`), refused.stderr)
  const said = await drive.up(['--adopt'])
  t.true(said.includes(`The drive had ${note}: the other one is ${note} (2).`), said)
  t.regex(said, /Moved 8 files/)
  t.is(readFileSync(note, 'utf8'), 'kept\n')
  t.is(readFileSync(`${note} (2)`, 'utf8'), 'other')
  t.deepEqual(program('python3', ['-c', SHOW, drive.mountpoint]).split('\n'), [
    "0o100640 1600000000123456789 b'letter' 2",
    'True nowhere 1048576',
    '0o40750 1500000000000000007 0o10644',
    "[b'docs', b'linked', b'note', b'note (2)', b'n\\xff', b'pipe', b'sparse'] ['deep', 'link', 'old', 'report.txt'] x bytes",
    '',
  ])
  t.is(statSync(docs).isDirectory(), true)
  const again = await drive.run(['up', drive.mountpoint, '--adopt'])
  t.is(again.code, 17, 'what is beneath a mount is hidden')
  await drive.run(['unmount', '--now'])
  t.deepEqual(readdirSync(drive.mountpoint), [])
})

test('S-162 an adoption that is killed is repeated: every file is there once, and none is lost', async (t: ExecutionContext) => {
  const drive = testDrive(t)
  const FILES = 400
  const make = 'mkdir d; for i in $(seq 400); do echo "$i" > d/$i; done; cp -a d e'
  await drive.up()
  program('sh', ['-c', 'mkdir .dagdrive-adopting e; echo cut > .dagdrive-adopting/d'], { cwd: drive.mountpoint })
  await drive.run(['unmount', '--now'])
  program('sh', ['-c', make], { cwd: drive.mountpoint })
  const adopting = drive.run(['up', drive.mountpoint, '--adopt'])
  let isOver = false
  void adopting.then(() => (isOver = true))
  const isBegun = (): boolean => program('ls', ['-A', drive.mountpoint]).includes('.dagdrive-adopting')
  t.true(await until(() => isOver || isBegun()))
  drive.killDaemon()
  await adopting
  // `cp` may still run.
  t.true(await until(async () => (await drive.run(['unmount', '--now'])).code !== 17, 200))
  await drive.run(['up', drive.mountpoint, '--adopt'])
  const count = 'for d in d e; do ls -A $d | wc -l; sort -n $d/* | uniq | wc -l; done; ls -A'
  t.is(program('sh', ['-c', count], { cwd: drive.mountpoint }), `${`${FILES}\n`.repeat(4)}d\ne\n`, drive.log())
  await drive.run(['unmount', '--now'])
  t.deepEqual(readdirSync(drive.mountpoint), [])
})
