/**
 * Space on the disk of a block store. Uploads stop early, so that the index can still be written. A reserve file
 * without content is kept: if other programs fill the disk, it is deleted to give garbage collection the little space
 * it needs.
 */
import { lstat, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DriveError, MIB } from '../../base/index.js'
import { spaceOf } from '../../platform/index.js'
import { createAside } from './replace-file.js'

/** Uploads leave at least this much space free. */
const SPARE_BYTES = 4 * MIB
/** A segment is at most this fraction of the disk, within the bounds. */
const SEGMENT_PART = 1 / 64
const SEGMENT_BYTES = { LEAST: 1 * MIB, MOST: 64 * MIB } as const
const RESERVE_BYTES = 1 * MIB

export class DiskSpace {
  readonly #directory: string
  readonly #reserve: string

  /** The maximum segment size on a disk of this size. */
  readonly segmentBytes: number

  readonly #spareBytes: number

  private constructor(directory: string, diskBytes: number, isOfDrive: boolean) {
    this.#directory = directory
    this.#reserve = join(directory, 'reserve')
    this.segmentBytes = Math.min(SEGMENT_BYTES.MOST, Math.max(SEGMENT_BYTES.LEAST, diskBytes * SEGMENT_PART))
    this.#spareBytes = isOfDrive ? SPARE_BYTES : Math.max(SPARE_BYTES, this.segmentBytes)
  }

  /**
   * @param isOfDrive the disk also holds the local data. There the cache shrinks, and a version that frees space must
   * fit into the drive's own reserve. On another disk, uploads leave enough space to rewrite a segment.
   */
  static async open(directory: string, isOfDrive: boolean): Promise<DiskSpace> {
    return new DiskSpace(directory, (await spaceOf(directory)).totalBytes, isOfDrive)
  }

  /** Throws NO_SPACE when writing `bytes` more would leave too little space. */
  async require(bytes: number): Promise<void> {
    const { availableBytes: freeBytes } = await spaceOf(this.#directory)
    if (freeBytes >= bytes + this.#spareBytes) return
    throw new DriveError('NO_SPACE', 'The disk of the block store is full.', {
      about: { where: this.#directory, freeBytes },
    })
  }

  async withReserve<T>(work: () => Promise<T>): Promise<T> {
    await rm(this.#reserve, { force: true })
    try {
      return await work()
    } finally {
      await this.refill()
    }
  }

  /** Best effort: without space there is no reserve. */
  async refill(): Promise<void> {
    const size = await lstat(this.#reserve).then(
      (found) => (found.isFile() ? found.size : 0),
      () => 0,
    )
    if (size >= RESERVE_BYTES) return
    try {
      await this.require(RESERVE_BYTES)
      const file = await createAside(this.#reserve)
      try {
        await file.writeFile(Buffer.alloc(RESERVE_BYTES))
      } finally {
        await file.close()
      }
    } catch {
      await rm(this.#reserve, { force: true }) // a full disk
    }
  }
}
