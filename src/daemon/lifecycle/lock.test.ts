import test from 'ava'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testWhere } from '../../../test/support/available.js'
import { program } from '../../../test/support/drive.js'
import { FILL_DISK, smallDisk } from '../../../test/support/small-disk.js'
import { DriveError } from '../../base/index.js'
import { holdLock, readLockHolder } from './lock.js'

test('one holder at a time; a released or killed holder does not block the next', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'dagdrive-lock-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const path = join(directory, 'daemon.lock')
  const first = await holdLock(path, { pid: 1, socket: '/first' })
  const refused = await t.throwsAsync(holdLock(path, { pid: 2, socket: '/second' }), { instanceOf: DriveError })
  t.is(refused.code, 'LOCKED')
  t.deepEqual(await readLockHolder(path), { pid: 1, socket: '/first' })
  await first.release()

  const source = `
    const { holdLock } = await import(${JSON.stringify(new URL('./lock.js', import.meta.url).href)})
    globalThis.kept = await holdLock(${JSON.stringify(path)}, { pid: process.pid, socket: '/child' })
    console.log('held'); setInterval(() => globalThis.kept, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  await t.throwsAsync(holdLock(path, { pid: 3, socket: '/third' }), { instanceOf: DriveError })
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
  const after = await holdLock(path, { pid: 4, socket: '/fourth' })
  t.deepEqual(await readLockHolder(path), { pid: 4, socket: '/fourth' })
  await after.release()
})

testWhere('root')('S-177 the lock of a home is taken again and again on a disk without a free byte', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'dagdrive-lock-'))
  t.teardown(() => rm(directory, { recursive: true }))
  smallDisk(t, directory, 1)
  const path = join(directory, 'daemon.lock')
  const first = await holdLock(path, { pid: 1, socket: '/first' })
  const { size } = await stat(path)
  await first.release()
  t.is(await readLockHolder(path), undefined)
  program('python3', ['-c', FILL_DISK, join(directory, 'filler')])
  for (let pid = 2; pid < 5; pid++) {
    const held = await holdLock(path, { pid, socket: '/next' })
    t.deepEqual(await readLockHolder(path), { pid, socket: '/next' })
    t.is((await stat(path)).size, size)
    await held.release()
  }
})
