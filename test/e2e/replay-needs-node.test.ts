/** Kills of a daemon whose last operations needed blocks, chunk lists or directories of the node. */
import { readFileSync } from 'node:fs'
import type { ExecutionContext } from 'ava'
import { testWhere } from '../support/available.js'
import { program, programAside } from '../support/drive.js'
import { secondDevice, type SecondDevice } from '../support/second-device.js'

const test = testWhere('fuse', 'go')

/** `big` has a chunk list of its own. */
const PUBLISHED = `
for name in over append truncate punch copied forced stopped; do head -c 200000 /dev/urandom > $name; done
head -c 40000000 /dev/urandom > big
mkdir moved gone kept; for i in 1 2 3; do echo $i > moved/$i; echo $i > gone/$i; echo $i > kept/$i; done`

/**
 * Each needs something that was not read here. Reading a directory and copying make commits, so they come first: the
 * log has the rest when the daemon is killed.
 */
const CHANGES = `set -e
mv moved/1 kept/4; rm gone/2
cp --reflink=auto copied copy
for name in over append truncate punch big; do stat $name > /dev/null; done
printf patch >> append
truncate -s 100001 truncate
fallocate -p -o 4097 -l 70000 punch
printf patch | dd of=over bs=1 seek=100001 conv=notrunc 2>/dev/null
printf patch >> big
echo new > new; mkdir nd; echo x > nd/file`

/** The exit status of a command that leaves what is not published on this machine. */
const LEFT_STAGED = 3

const shell = (script: string, cwd: string): string => program('bash', ['-c', script], { cwd })

/** `expected` is what the mount must hold after CHANGES. */
async function published(t: ExecutionContext): Promise<SecondDevice> {
  const device = await secondDevice(t, PUBLISHED)
  shell(CHANGES, device.expected)
  return device
}

test('S-120 a killed daemon goes on with changes of files that were not read here', async (t: ExecutionContext) => {
  t.timeout(10 * 60_000)
  const { drive, expected } = await published(t)
  shell(`${CHANGES}\nkill -9 ${drive.daemonPid()}`, drive.mountpoint)
  const differences = (): Promise<string> => programAside('diff', ['-r', expected, drive.mountpoint])
  t.is(await differences(), '', drive.log())
  t.is((await drive.json<{ state: string }>(['status'])).state, 'open')
})

const overwrite = (name: string): string =>
  `printf patch | dd of=${name} bs=1 seek=50001 conv=notrunc 2>/dev/null; echo last > last`

/** Makes a change that needs the node, kills node and daemon. */
async function killBoth({ kubo, drive }: Pick<SecondDevice, 'kubo' | 'drive'>, name: string): Promise<void> {
  const pid = drive.daemonPid()!
  // Stopped, so that it makes no commit while the node ends.
  shell(`${overwrite(name)}; kill -STOP ${pid}`, drive.mountpoint)
  await kubo.kill()
  process.kill(pid, 'SIGKILL')
}

test('S-121 a replay that needs a node that is away waits for it, commands answer, and the user may give it up', async (t: ExecutionContext) => {
  t.timeout(10 * 60_000)
  const scene = await published(t)
  const { kubo, drive, expected } = scene
  shell(CHANGES, drive.mountpoint)
  await drive.must(['sync'])

  shell(overwrite('copied'), expected)
  await killBoth(scene, 'copied')
  const seen = programAside('diff', ['-r', '-x', 'forced', '-x', 'stopped', expected, drive.mountpoint])
  t.regex(await drive.must(['status']), /Warning: The mount at .* waits: .* needs the node/)
  for (const command of [['sync'], ['unmount', '--now'], ['mount', drive.mountpoint]]) {
    const { code, stderr } = await drive.run(command)
    t.is(code, 17, command.join(' '))
    t.regex(stderr, /The mount at .* waits: .*unmount --force/)
  }
  t.is((await drive.run(['key', 'show'])).code, 0)
  await kubo.restart()
  t.is(await seen, '', drive.log())
  await drive.must(['sync'])

  for (const [name, command] of [
    ['forced', ['unmount', '--force', '--now']],
    ['stopped', ['daemon', 'stop']],
  ] as const) {
    await killBoth(scene, name)
    const { code, stderr } = await drive.run(command)
    t.true(code === 0 || code === LEFT_STAGED, `${command.join(' ')} ${stderr} ${drive.log()}`)
    t.regex(drive.log(), /up to \d+ operations that are not yet on disk are lost/)
    t.false(readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${drive.mountpoint} `))
    await kubo.restart()
    await drive.mount()
    t.is(program('sha256sum', ['big'], { cwd: drive.mountpoint }), program('sha256sum', ['big'], { cwd: expected }))
  }
})
