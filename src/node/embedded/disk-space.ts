/**
 * Room on the disk of a block store. Uploads stop early, so that the index can still be written; and a file of no meaning is kept
 * as a reserve, so that a disk that others filled can still be relieved by collecting garbage, which itself needs a little room.
 */
import { lstat, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { DriveError, MIB } from '../../base/index.js'
import { createAside } from './replace-file.js'

/** Left free by uploads. */
const SPARE_BYTES = 4 * MIB
const RESERVE_BYTES = 1 * MIB

export class DiskSpace {
  readonly #directory: string
  readonly #reserve: string

  constructor(directory: string) {
    this.#directory = directory
    this.#reserve = join(directory, 'reserve')
  }

  /** Throws NO_SPACE when writing `bytes` more would leave too little. */
  async require(bytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.#directory)
    const freeBytes = bavail * bsize
    if (freeBytes >= bytes + SPARE_BYTES) return
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

  /** Best effort: without room there is no reserve. */
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
