/** A small disk for tests: a tmpfs that is unmounted when the test ends, also if its process is killed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { ExecutionContext } from 'ava'
import { program } from './drive.js'

/** @param path an empty directory */
export function smallDisk(t: ExecutionContext, path: string, mib: number): void {
  // Its input ends with the process of the test, in whatever way that ends.
  const guard = spawn('sh', ['-c', 'cat > /dev/null; umount -l "$0"', path], {
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const ended = once(guard, 'exit')
  t.teardown(async () => {
    guard.ref()
    guard.stdin.end()
    await ended
  })
  guard.unref()
  program('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'tmpfs', path])
}
