/**
 * The bulk of a block index: block records in the order of their digests, in a file that never changes. Nothing of it
 * is kept in memory; digests are spread evenly, so a block is found in two or three small reads. Damaged records are
 * passed over.
 */
import { constants, readSync } from 'node:fs'
import { type Digest } from '../../base/index.js'
import { openRegularFile } from '../../platform/index.js'
import { compareDigest, decodeRecord, DIGEST_AT, isSound, RECORD_BYTES, type BlockRecord } from './block-record.js'
import type { BlockLocation } from '../../storage/segments/index.js'
import { systemErrorName } from './store-error.js'
import type { FileHandle } from 'node:fs/promises'

/** Records looked at in one read. */
const WINDOW = 128
/** After these the search halves, whatever the file says. */
const GUESSES = 4

export class SortedRecords {
  /** Records, damaged ones included. */
  readonly count: number
  readonly #file: FileHandle | undefined
  readonly #window = Buffer.allocUnsafeSlow(WINDOW * RECORD_BYTES)

  private constructor(file: FileHandle | undefined, bytes: number) {
    this.#file = file
    this.count = Math.floor(bytes / RECORD_BYTES)
  }

  /** A file that is not there has no records. */
  static async open(path: string): Promise<SortedRecords> {
    try {
      const file = await openRegularFile(path, constants.O_RDONLY)
      return new SortedRecords(file, (await file.stat()).size)
    } catch (error) {
      if (systemErrorName(error) === 'ENOENT') return new SortedRecords(undefined, 0)
      throw error
    }
  }

  find(digest: Digest): BlockLocation | undefined {
    const index = this.#search(digest)
    const [found] = this.read(index, 1)
    return found !== undefined && compare(found.digest, digest) === 0 ? found.location : undefined
  }

  /** @returns the index of the first record behind `digest` */
  indexAfter(digest: Digest): number {
    const index = this.#search(digest)
    const [found] = this.read(index, 1)
    return found !== undefined && compare(found.digest, digest) === 0 ? index + 1 : index
  }

  /** Sound records among `limit` from `index` on. */
  read(index: number, limit: number): BlockRecord[] {
    const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(limit, this.count - index)) * RECORD_BYTES)
    const end = this.#readInto(bytes, index)
    const found: BlockRecord[] = []
    for (let at = 0; at < end; at += RECORD_BYTES) {
      const record = decodeRecord(bytes, at)
      if (record?.location !== undefined) found.push(record)
    }
    return found
  }

  async close(): Promise<void> {
    await this.#file?.close()
  }

  /** @returns the index of the record of `digest`, else where it would stand, perhaps before damaged records */
  #search(digest: Digest): number {
    let [low, high] = [0, this.count]
    let [lowKey, highKey] = [0, 2 ** 48]
    const wanted = keyAt(Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength), 0)
    for (let step = 0; low < high; step++) {
      const share = step < GUESSES && highKey > lowKey ? (wanted - lowKey) / (highKey - lowKey) : 0.5
      const middle = Math.floor(low + Math.min(1, Math.max(0, share)) * (high - low)) - WINDOW / 2
      const start = Math.max(low, Math.min(middle, high - WINDOW))
      const found = this.#soundFrom(start, high)
      // Before the first sound record of a window there is nothing to find in it.
      if (found === undefined) high = start
      else if (compareDigest(this.#window, found.last, digest) < 0) {
        low = found.index + found.last / RECORD_BYTES + 1
        lowKey = keyAt(this.#window, found.last + DIGEST_AT)
      } else if (compareDigest(this.#window, found.first, digest) > 0) {
        high = start
        highKey = keyAt(this.#window, found.first + DIGEST_AT)
      } else {
        let at = found.first
        while (compareDigest(this.#window, at, digest) < 0 || !isSound(this.#window, at)) at += RECORD_BYTES
        return found.index + at / RECORD_BYTES
      }
    }
    return high
  }

  /**
   * Reads the first window from `start` on that has a sound record.
   * @returns where in the window the first and the last one are
   */
  #soundFrom(start: number, end: number): { index: number; first: number; last: number } | undefined {
    for (let index = start; index < end; index += WINDOW) {
      const bytes = this.#window.subarray(0, Math.min(WINDOW, end - index) * RECORD_BYTES)
      const read = this.#readInto(bytes, index)
      let first = 0
      while (first < read && !isSound(bytes, first)) first += RECORD_BYTES
      if (first >= read) continue
      let last = read - RECORD_BYTES
      while (!isSound(bytes, last)) last -= RECORD_BYTES
      return { index, first, last }
    }
    return undefined
  }

  /** @returns bytes read: whole records */
  #readInto(bytes: Buffer, index: number): number {
    if (this.#file === undefined) return 0
    let done = 0
    while (done < bytes.length) {
      const read = readSync(this.#file.fd, bytes, done, bytes.length - done, index * RECORD_BYTES + done)
      if (read === 0) break
      done += read
    }
    return done - (done % RECORD_BYTES)
  }
}

/** As Buffer.compare. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b)
}

/** The first 48 bits, which say about where a digest stands. */
function keyAt(bytes: Buffer, at: number): number {
  return bytes.readUIntBE(at, 6)
}
