/**
 * The free space of a disk, and guards that refuse a write before the disk is full. Only this file asks for free space.
 * Callers never pass a path inside a mount of ours: the thread would wait for its own answer.
 */
import { statfsSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { DriveError, MIB, systemClock, type Clock } from '../base/index.js'

export interface Space {
  readonly totalBytes: number
  /** Bytes an ordinary user can still write. */
  readonly availableBytes: number
}

/** A disk whose free space is measured from time to time. */
export interface Disk {
  /**
   * Returns the same object until the next measurement. Cheap enough for every write.
   * @param isFresh measure now
   */
  space(isFresh?: boolean): Space
}

const STALE_AFTER_MS = 200

/** Never full; for tests and in-memory stores. */
export const unlimitedSpace: Disk = {
  space: () => ({ totalBytes: 2 ** 42, availableBytes: 2 ** 42 }),
}

/** The disk under `path`, asked at most five times a second. */
export function diskSpace(path: string, clock: Clock): Disk {
  let askedMs = -Infinity
  let last = { totalBytes: 0, availableBytes: 0 }
  return {
    space(isFresh = false) {
      const now = clock.monotonicMs()
      if (isFresh || now - askedMs > STALE_AFTER_MS) {
        last = spaceNow(path)
        askedMs = now
      }
      return last
    },
  }
}

/** The free space of a disk that answers at once, such as the disk of the local data. */
function spaceNow(path: string): Space {
  return asSpace(statfsSync(path))
}

/** The free space of any disk. A disk that does not answer delays only the caller. */
export async function spaceOf(path: string): Promise<Space> {
  return asSpace(await statfs(path))
}

function asSpace({ bsize, blocks, bavail }: { bsize: number; blocks: number; bavail: number }): Space {
  return { totalBytes: bsize * blocks, availableBytes: bsize * bavail }
}

export interface SpaceGuard {
  /** Throws NO_SPACE when writing `bytes` more would leave less than the reserve. Most calls make no system call. */
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
        const spare = spaceNow(options.path).availableBytes - options.reserveBytes
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

/**
 * Converts a failed write to a DriveError. NO_SPACE when the system says so, or when the file system is nearly full,
 * because LMDB reports a short write as EIO. INTERNAL otherwise.
 * @param neededBytes the approximate size of the write
 */
export function writeFailure(error: unknown, path: string, neededBytes: number): DriveError {
  if (error instanceof DriveError) return error
  const code = (error as { code?: unknown } | undefined)?.code
  if (code === 'ENOSPC' || code === 'EDQUOT' || spaceNow(path).availableBytes < neededBytes + 4 * MIB) {
    return new DriveError('NO_SPACE', 'The disk that holds the drive’s local data is full.', { cause: error })
  }
  return new DriveError('INTERNAL', 'Local data could not be written.', { cause: error })
}
