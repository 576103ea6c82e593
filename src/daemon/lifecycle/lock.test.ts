import test from 'ava'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
