/**
 * Exclusive locks of the kernel: flock(2) on an open file. Such a lock ends with the last descriptor of the open file,
 * so with the process, however that ends, in whatever container; no content of a file stands in its place.
 */
import { spawn } from 'node:child_process'
import type { FileHandle } from 'node:fs/promises'
import { DriveError } from '../base/index.js'

/** What flock(1) exits with when another open file has the lock. */
const IS_HELD = 1

/**
 * flock(2) belongs to the open file, not to the process that asked, so the util-linux program takes it for us on an
 * inherited descriptor; Node has no call for it.
 * @returns false when another open file has the lock, in this process or another; true keeps it until the file is
 * closed
 * @throws NOT_SUPPORTED without the program, or where the file system has no locks
 */
export async function tryLockFile(file: FileHandle): Promise<boolean> {
  const child = spawn('flock', ['-xn', '3'], { stdio: ['ignore', 'ignore', 'ignore', file.fd], timeout: 10_000 })
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (cause) =>
      reject(
        new DriveError('NOT_SUPPORTED', 'The program "flock" (util-linux or busybox) is needed and could not be run.', {
          cause,
        }),
      ),
    )
    child.once('exit', resolve)
  })
  if (status === 0) return true
  if (status === IS_HELD) return false
  throw new DriveError('NOT_SUPPORTED', 'The file system has no locks, so a second program could not be kept out.', {
    about: { status: status ?? 'killed' },
  })
}
