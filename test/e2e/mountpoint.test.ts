import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
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
    t.throws(() => asUser(user, 'echo plaintext > "$1"', note), { message: /denied/ })
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
  shell.stdin.end('exit\n')
  await once(shell, 'exit')
  drive.killDaemon()
  t.is(program('cat', [join(drive.mountpoint, 'outside')]), 'outside', 'it is still held')
  await drive.unmount()
  t.deepEqual(readdirSync(drive.mountpoint), [])
})

testAsRoot(
  'S-161 an ordinary user gets a new mount there: the shell inside the old one gets errors, and nothing is lost',
  async (t: ExecutionContext) => {
    const user = await ordinaryUser(t)
    const drive = testDrive(t, { user })
    await drive.up()
    const { shell, ready } = detachUnderShell(drive, user.prefix, ['fusermount3', '-u', '-z'])
    t.teardown(() => shell.kill('SIGKILL'))
    await ready
    await drive.up()
    t.is(asUser(user, 'cat "$1"', join(drive.mountpoint, 'inside')), 'inside\n', drive.log())
    shell.stdin.end('echo lost > inside || echo failed\n')
    const [said] = (await once(shell.stdout, 'data')) as [Buffer]
    t.regex(said.toString(), /failed/)
    t.is(asUser(user, 'cat "$1"', join(drive.mountpoint, 'inside')), 'inside\n')
    await drive.unmount()
    t.is(modeBeneath(drive), 0o755, 'a directory of the user gets its mode back')
  },
)
