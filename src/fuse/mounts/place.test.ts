import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, rm, symlink, writeFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { testWhere } from '../../../test/support/available.js'
import { serveMemoryTree, temporaryMountpoint } from '../../../test/support/fuse/memory-mount.js'
import { serveInProcess } from '../../../test/support/fuse/served-process.js'
import { findMount } from './mount-info.js'
import { until } from '../../../test/support/until.js'

/** Exchanges two names repeatedly until it is killed. */
const EXCHANGE = `
import ctypes, sys
libc = ctypes.CDLL(None)
names = [name.encode() for name in sys.argv[1:3]]
print('on', flush=True)
while True:
    libc.syscall(316, -100, names[0], -100, names[1], 2)
`
const testAsRoot = testWhere('root', 'x64')

/** A path to the directory beneath the mount, through a copy of its parent's mount. */
async function beneath(t: { teardown(f: () => unknown): void }, parent: string): Promise<string> {
  const seen = `${parent}.bare`
  await mkdir(seen)
  execFileSync('mount', ['--bind', parent, seen])
  t.teardown(async () => {
    execFileSync('umount', ['-l', seen])
    await rm(seen, { recursive: true, force: true })
  })
  return seen
}

testAsRoot('S-051 a mount goes on the checked directory: a link put in its place is not followed', async (t) => {
  const folder = await temporaryMountpoint(t)
  const [place, other, victim] = [join(folder, 'place'), join(folder, 'other'), join(folder, 'victim')]
  await mkdir(place)
  await mkdir(victim)
  await symlink(victim, other)
  const attacker = spawn('python3', ['-c', EXCHANGE, place, other], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => attacker.kill('SIGKILL'))
  await once(attacker.stdout, 'data')
  const outcomes = { mounted: 0, refused: 0 }
  for (let i = 0; i < 10 || (outcomes.refused === 0 && i < 100); i++) {
    try {
      const mount = await serveMemoryTree(t, { exact: true }, place)
      outcomes.mounted++
      t.is(await findMount(victim), undefined)
      await mount.worker.terminate()
    } catch {
      outcomes.refused++
    }
    t.is(await findMount(victim), undefined, 'nothing is ever mounted on the target of the link')
    for (const name of [place, other]) execFileSync('sh', ['-c', `umount -l ${name} 2>/dev/null || true`])
  }
  t.log(outcomes)
  t.true(outcomes.refused > 0, 'the test is void if no mount met the link')
})

testAsRoot(
  'S-052 a new mount is in place before the dead one is removed: nothing is written to the directory beneath',
  async (t) => {
    const folder = await temporaryMountpoint(t)
    const place = join(folder, 'place')
    await mkdir(place)
    const bare = await beneath(t, folder)
    const served = await serveInProcess(t, place)
    served.child.kill('SIGKILL')
    await served.exited
    // A program that keeps writing despite errors.
    const writing = spawn('sh', ['-c', 'while :; do echo plaintext > "$0/secret"; done', place], { stdio: 'ignore' })
    t.teardown(() => writing.kill('SIGKILL'))
    const mount = await serveMemoryTree(t, { again: true, exact: true, guards: true }, place)
    t.true(await until(async () => (await readdir(place)).length > 0))
    t.deepEqual(await readdir(place), ['secret'], 'the program writes to the new mount')
    t.deepEqual(await readdir(join(bare, 'place')), [])
    t.is((await stat(join(bare, 'place'))).mode & 0o777, 0o500)
    writing.kill('SIGKILL')
    await once(writing, 'exit')
    await mount.unmount({ lazy: true })
  },
)

test('S-052 a remount does not require an empty directory', async (t) => {
  const place = await temporaryMountpoint(t)
  await writeFile(join(place, 'left'), 'by a program')
  await t.throwsAsync(serveMemoryTree(t, {}, place), { message: /NOT_EMPTY/ })
  const mount = await serveMemoryTree(t, { again: true }, place)
  t.deepEqual(await readdir(place), [])
  await mount.unmount()
  t.deepEqual(await readdir(place), ['left'])
})
