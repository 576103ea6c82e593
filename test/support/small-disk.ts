/** A small disk for tests: a tmpfs that is unmounted when the test ends, also if its process is killed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { program, temporaryFolder, testDrive, type TestDrive } from './drive.js'

/** In Python: leaves no page of the disk of its last argument, a new file, to anybody. */
export const FILL_DISK = `
import sys
with open(sys.argv[-1], 'wb', buffering=0) as file:
    for size in (1 << 20, 4096, 1):
        try:
            while True: file.write(bytes(size))
        except OSError: pass
`

/**
 * A mounted drive with a durable file `old`, that publishes nothing. Its home is on a small disk, its node is not.
 * @returns the drive, and a path on the small disk for what fills it
 */
export async function driveOnSmallDisk(t: ExecutionContext): Promise<{ drive: TestDrive; filler: string }> {
  t.timeout(10 * 60_000)
  const folder = temporaryFolder(t, 'disk')
  const disk = join(folder, 'disk')
  mkdirSync(disk)
  smallDisk(t, disk, 64)
  const drive = testDrive(t, { home: join(disk, 'home'), environment: { DAGDRIVE_DEBOUNCE_MS: '3600000' } })
  await drive.up(['--node', `file://${join(folder, 'node')}`, '--phrase-out', join(folder, 'phrase')])
  program('sh', ['-c', 'echo old > old; sync old'], { cwd: drive.mountpoint })
  return { drive, filler: join(disk, 'filler') }
}

/** Whether the mount table has the drive. */
export const isMounted = (drive: TestDrive): boolean =>
  readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${drive.mountpoint} `)

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
