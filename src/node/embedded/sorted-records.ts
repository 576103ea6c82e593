/**
 * The main part of a block index: block records sorted by digest in an immutable file. None of it is kept in memory.
 * Digests are spread evenly, so a block is found in two or three small reads. Damaged records are skipped. A search
 * reads a bounded part of any file, also of a hostile one.
 */
import { constants, readSync } from 'node:fs'
import { type Digest } from '../../base/index.js'
import { openRegularFile } from '../../platform/index.js'
import { compareDigest, decodeRecord, DIGEST_AT, isSound, RECORD_BYTES, type BlockRecord } from './block-record.js'
import type { BlockLocation } from '../../storage/segments/index.js'
import { systemErrorName } from './store-error.js'
import type { FileHandle } from 'node:fs/promises'

/** Records per read. */
const WINDOW = 128
/** After this many reads the search always halves the range. */
const GUESSES = 4
/** Growth factor of the steps that search for the end of a gap. */
const STEP = 3
/** Maximum windows read by one search. In an undamaged file two or three are enough. */
const MOST_LOOKS = 512

/** A gap: consecutive records without a valid one among those read. */
interface Gap {
  readonly from: number
  readonly to: number
  /** A valid record after the gap is known. */
  readonly isBounded: boolean
}

export class SortedRecords {
  /** The number of records, including damaged ones. */
  readonly count: number
  readonly #file: FileHandle | undefined
  readonly #window = Buffer.allocUnsafeSlow(WINDOW * RECORD_BYTES)

  private constructor(file: FileHandle | undefined, count: number) {
    this.#file = file
    this.count = count
  }

  /**
   * A missing file has no records.
   * @param mostRecords records after this many are ignored
   */
  static async open(path: string, mostRecords: number): Promise<SortedRecords> {
    try {
      const file = await openRegularFile(path, constants.O_RDONLY)
      const records = Math.floor((await file.stat()).size / RECORD_BYTES)
      return new SortedRecords(file, Math.min(records, mostRecords))
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

  /** @returns the index of the first record after `digest` */
  indexAfter(digest: Digest): number {
    const index = this.#search(digest)
    const [found] = this.read(index, 1)
    return found !== undefined && compare(found.digest, digest) === 0 ? index + 1 : index
  }

  /** The valid records among `limit` records from `index` on. */
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

  /**
   * A window without a valid record does not show on which side of it the digest is. So the search first finds the end
   * of the damage, in growing steps and then by bisection. If no record after the damage is smaller than the digest,
   * the search continues before it.
   * @returns the index of the record of `digest`, or the index where it would be, possibly before damaged records
   */
  #search(digest: Digest): number {
    let [low, high] = [0, this.count]
    let [lowKey, highKey] = [0, 2 ** 48]
    let gap: Gap | undefined
    const wanted = keyAt(Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength), 0)
    for (let look = 0; low < high && look < MOST_LOOKS; look++) {
      const share = look < GUESSES && highKey > lowKey ? (wanted - lowKey) / (highKey - lowKey) : 0.5
      const guess = Math.floor(low + Math.min(1, Math.max(0, share)) * (high - low)) - WINDOW / 2
      const start = Math.max(gap?.to ?? low, Math.min(gap === undefined ? guess : behind(gap, high), high - WINDOW))
      const found = this.#soundAt(start, high)
      if (found === undefined) {
        const { from, isBounded } = gap ?? { from: start, isBounded: false }
        gap = { from, to: Math.min(high, start + WINDOW), isBounded }
      } else if (compareDigest(this.#window, found.last, digest) < 0) {
        low = start + found.last / RECORD_BYTES + 1
        lowKey = keyAt(this.#window, found.last + DIGEST_AT)
        gap = undefined
      } else if (compareDigest(this.#window, found.first, digest) > 0) {
        high = start
        highKey = keyAt(this.#window, found.first + DIGEST_AT)
        gap = gap && { ...gap, isBounded: true }
      } else {
        let at = found.first
        while (compareDigest(this.#window, at, digest) < 0 || !isSound(this.#window, at)) at += RECORD_BYTES
        return start + at / RECORD_BYTES
      }
      if (gap !== undefined && gap.to >= high) {
        high = gap.from
        gap = undefined
      }
    }
    return low < high ? low : high
  }

  /**
   * Reads the window at `start`. @returns the positions of its first and last valid record; undefined when it has none
   */
  #soundAt(start: number, end: number): { first: number; last: number } | undefined {
    const bytes = this.#window.subarray(0, Math.min(WINDOW, end - start) * RECORD_BYTES)
    const read = this.#readInto(bytes, start)
    let first = 0
    while (first < read && !isSound(bytes, first)) first += RECORD_BYTES
    if (first >= read) return undefined
    let last = read - RECORD_BYTES
    while (!isSound(bytes, last)) last -= RECORD_BYTES
    return { first, last }
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

/**
 * The next position to read when searching the end of a gap: in growing steps up to `high`, then by bisection once a
 * valid record after the gap is known.
 */
function behind({ from, to, isBounded }: Gap, high: number): number {
  const next = to + STEP * (to - from) - WINDOW
  return isBounded ? Math.min(next, Math.floor((to + high) / 2)) : Math.min(next, high - WINDOW)
}

/** Like Buffer.compare. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b)
}

/** The first 48 bits, from which the approximate position of a digest is computed. */
function keyAt(bytes: Buffer, at: number): number {
  return bytes.readUIntBE(at, 6)
}
