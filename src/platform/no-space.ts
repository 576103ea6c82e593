/** Full disks: how a failed write is recognised as NO_SPACE, and the guard that refuses writes before it comes to that. */
import { statfsSync } from 'node:fs'
import { DriveError, systemClock, type Clock } from '../base/index.js'

const MIB = 1024 * 1024

/** Bytes an ordinary user may still write on the file system of `path`. */
export function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}

/**
 * A failed write as a DriveError: NO_SPACE when the system said so or when the file system is (nearly) full, as LMDB
 * reports a short write as EIO; INTERNAL otherwise.
 * @param neededBytes what the write would have taken, roughly
 */
export function writeFailure(error: unknown, path: string, neededBytes: number): DriveError {
  if (error instanceof DriveError) return error
  const code = (error as { code?: unknown } | undefined)?.code
  if (code === 'ENOSPC' || code === 'EDQUOT' || freeBytes(path) < neededBytes + 4 * MIB) {
    return new DriveError('NO_SPACE', 'The disk that holds the drive’s local data is full.', { cause: error })
  }
  return new DriveError('INTERNAL', 'Local data could not be written.', { cause: error })
}

export interface SpaceGuard {
  /** Throws NO_SPACE when writing `bytes` more would leave less than the reserve. Costs a system call only now and then. */
  check(bytes: number): void
}

/**
 * @param path any path on the file system to watch; it must exist
 * @param reserveBytes space to keep free for LMDB, logs and others
 */
export function createSpaceGuard(options: { path: string; reserveBytes: number; clock?: Clock }): SpaceGuard {
  const clock = options.clock ?? systemClock
  let budget = 0
  let measuredMs = -Infinity
  return {
    check(bytes) {
      const nowMs = clock.monotonicMs()
      if (bytes > budget || nowMs - measuredMs > 1000) {
        const spare = freeBytes(options.path) - options.reserveBytes
        measuredMs = nowMs
        budget = Math.min(spare, Math.max(16 * MIB, bytes))
        if (bytes > spare) {
          budget = 0
          throw new DriveError('NO_SPACE', 'The disk that holds the drive’s local data is almost full.')
        }
      }
      budget -= bytes
    },
  }
}
