/** Free space of the disk that holds local data: writes are refused before it is full, so that commits always fit. */
import { statfsSync } from 'node:fs'
import { DriveError, MIB, type Clock } from '../base/index.js'

export interface SpaceGuard {
  /** Bytes of the file system that holds the drive's local data; cheap enough for every write. */
  space(): { readonly totalBytes: number; readonly availableBytes: number }
}

/** Kept free for commits of what was accepted already. */
export const RESERVED_BYTES = 4 * MIB
const STALE_AFTER_MS = 200

/** Never full; for tests and in-memory stores. */
export const unlimitedSpace: SpaceGuard = {
  space: () => ({ totalBytes: 2 ** 42, availableBytes: 2 ** 42 }),
}

/** The disk under `path` (never a path inside a mount of ours), asked at most five times a second. */
export function diskSpace(path: string, clock: Clock): SpaceGuard {
  let askedMs = -Infinity
  let last = { totalBytes: 0, availableBytes: 0 }
  return {
    space() {
      const now = clock.monotonicMs()
      if (now - askedMs > STALE_AFTER_MS) {
        const { bsize, blocks, bavail } = statfsSync(path)
        last = { totalBytes: bsize * blocks, availableBytes: bsize * bavail }
        askedMs = now
      }
      return last
    },
  }
}

/** Throws NO_SPACE when `addedBytes` more, on top of what waits to be written already, would fill the disk. */
export function requireSpace(guard: SpaceGuard, waitingBytes: number, addedBytes: number): void {
  const { availableBytes } = guard.space()
  if (availableBytes - RESERVED_BYTES < (waitingBytes + addedBytes) * 1.25) {
    throw new DriveError('NO_SPACE', 'The disk that holds the drive is full.', { about: { availableBytes } })
  }
}
