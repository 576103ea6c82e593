/**
 * Exclusive locks of the kernel: flock(2) on an open file. Such a lock ends with the last descriptor of the open file.
 * So it ends with the process, whatever ends the process and in every container. The content of the lock file does not
 * matter.
 */
import { spawn } from 'node:child_process'
import type { FileHandle } from 'node:fs/promises'
import { DriveError } from '../base/index.js'

/** The exit status of flock(1) when another open file has the lock. */
const IS_HELD = 1

/**
 * Node has no call for flock(2). The lock belongs to the open file, not to the process, so the util-linux program
 * flock(1) takes it for us on an inherited descriptor.
 * @returns true when the lock is held, until the file is closed; false when another open file has it, in this process
 * or another
 * @throws NOT_SUPPORTED without the program, or where the file system has no locks
 */
export async function tryLockFile(file: FileHandle): Promise<boolean> {
  const child = spawn('flock', ['-xn', '3'], { stdio: ['ignore', 'ignore', 'ignore', file.fd], timeout: 10_000 })
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (cause) =>
      reject(
        new DriveError(
          'NOT_SUPPORTED',
          'The program "flock" (util-linux or busybox) is required but could not be run.',
          {
            cause,
          },
        ),
      ),
    )
    child.once('exit', resolve)
  })
  if (status === 0) return true
  if (status === IS_HELD) return false
  throw new DriveError(
    'NOT_SUPPORTED',
    'The file system does not support locks, so a second program could not be kept out.',
    {
      about: { status: status ?? 'killed' },
    },
  )
}
