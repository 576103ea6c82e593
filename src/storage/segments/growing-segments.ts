/**
 * Segments that one thread creates and appends to, one after another: the bytes of a node's block store. The index maps
 * blocks to ranges of these files. Bytes that no index row refers to (after a crash, or after garbage collection) are
 * dead space until their segment is rewritten. The calling thread never waits for the disk.
 */
import { constants, opendir, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { DriveError, KIB, MIB } from '../../base/index.js'
import { openRegularFile, statRegularFile } from '../../platform/index.js'
import type { BlockLocation } from './contract.js'
import { DirectWriter, DISK_PAGE_BYTES, type AllocatePages } from './direct-writer.js'
import { SegmentFiles } from './segment-files.js'
import { COUNTED_NAMES, MOST_NUMBER } from './segment-names.js'
import { SegmentSync } from './segment-sync.js'

/** Rewriting a segment needs at most this much space. */
const SEGMENT_BYTES = 64 * MIB
/** The greatest length of a segment of ours, including the last batch appended to it. */
const MOST_SEGMENT_BYTES = 2 * SEGMENT_BYTES
/** 64 TiB. A folder with more files is an attack on the memory of the process that opens it. */
const MOST_SEGMENTS = 1_000_000
/** Appends of at least this size bypass the page cache: nobody reads them soon. */
const DIRECT_FROM_BYTES = 256 * KIB

export interface GrowingSegmentsOptions {
  readonly allocatePages?: AllocatePages | undefined
  /** Nothing is appended to a segment of at least this length; default 64 MiB. */
  readonly segmentBytes?: number | undefined
}

export class GrowingSegments {
  readonly #directory: string
  /** Segment → length of its file in bytes. */
  readonly #sizes: Map<number, number>
  readonly #files: SegmentFiles
  readonly #sync: SegmentSync
  readonly #direct: DirectWriter
  readonly #segmentBytes: number
  #current: number
  #appending: { readonly segment: number; readonly file: FileHandle } | undefined
  #append: Promise<unknown> = Promise.resolve()
  #syncing: Promise<unknown> = Promise.resolve()

  private constructor(directory: string, sizes: Map<number, number>, options: GrowingSegmentsOptions) {
    this.#directory = directory
    this.#sizes = sizes
    this.#files = new SegmentFiles(directory, undefined, COUNTED_NAMES)
    this.#sync = new SegmentSync(directory, this.#files)
    this.#direct = new DirectWriter(options.allocatePages)
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES
    this.#current = Math.max(0, ...sizes.keys())
  }

  /**
   * @param directory must exist
   * @throws INVALID when a segment is a link or not a regular file
   */
  static async open(directory: string, options: GrowingSegmentsOptions = {}): Promise<GrowingSegments> {
    const sizes = new Map<number, number>()
    for await (const { name } of await opendir(directory)) {
      const segment = COUNTED_NAMES.numberOf(name)
      if (segment === undefined) continue
      sizes.set(segment, (await statRegularFile(join(directory, name))).size)
      if (sizes.size > MOST_SEGMENTS) throw new DriveError('NODE_ERROR', 'The block store has too many files.')
    }
    return new GrowingSegments(directory, sizes, options)
  }

  get sizes(): ReadonlyMap<number, number> {
    return this.#sizes
  }

  /** The segment's file has all bytes of this location. */
  has({ segment, offset, length }: BlockLocation): boolean {
    return offset + length <= (this.#sizes.get(segment) ?? 0)
  }

  get usedBytes(): number {
    let sum = 0
    for (const size of this.#sizes.values()) sum += size
    return sum
  }

  /**
   * Bytes in which blocks can lie, in segments of the length this program makes: a sparse file may claim a greater
   * length.
   */
  get boundedBytes(): number {
    let sum = 0
    for (const size of this.#sizes.values()) sum += Math.min(size, MOST_SEGMENT_BYTES)
    return sum
  }

  /** Appends in the order of calls. Durable after `sync`. The bytes must not change until it resolves. */
  append(blocks: readonly Uint8Array[]): Promise<BlockLocation[]> {
    return this.#inTurn(() => this.#write(blocks))
  }

  /**
   * Frees blocks that no index row refers to, if they lie at the end of their segment; other blocks become dead space.
   */
  discard(locations: readonly BlockLocation[]): Promise<void> {
    return this.#inTurn(async () => {
      for (const { segment, offset, length } of locations.toSorted((a, b) => b.offset - a.offset)) {
        if (this.#sizes.get(segment) !== offset + length) continue
        await (await this.#appendingTo(segment)).truncate(offset)
        this.#sizes.set(segment, offset)
      }
    })
  }

  /**
   * Starts a new segment for later appends, so that the current one can be rewritten. Nothing is appended to it any
   * more.
   */
  seal(): void {
    do this.#current = this.#current >= MOST_NUMBER ? 1 : this.#current + 1
    while (this.#sizes.has(this.#current))
    this.#sizes.set(this.#current, 0)
  }

  /**
   * When it resolves, everything appended so far is on the disk, and no bytes of `written` were lost earlier. Calls run
   * one after another, so each also covers the segments of the previous calls.
   */
  async sync(written: Iterable<BlockLocation>): Promise<void> {
    const done = this.#syncing.then(() => this.#syncNow())
    this.#syncing = done.catch(() => undefined) // the caller gets the failure
    await done
    for (const { segment } of written) if (this.#sync.hasFailed(segment)) throw notDurable()
  }

  /** @returns newly allocated memory; shorter than requested when the file ends early */
  async read(location: BlockLocation): Promise<Uint8Array> {
    const bytes = this.has(location)
      ? await this.#files.read(location, Buffer.allocUnsafeSlow(location.length))
      : undefined
    return bytes ?? new Uint8Array(0)
  }

  async remove(segment: number): Promise<void> {
    this.#sync.forget(segment)
    this.#sizes.delete(segment)
    await this.#files.remove(segment)
  }

  async close(): Promise<void> {
    await this.#append
    await this.#direct.rest()
    await this.#closeAppending()
    this.#files.close()
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#append.then(work)
    // The caller gets the failure; the next append is not affected by it.
    this.#append = done.catch(() => undefined)
    return done
  }

  async #write(blocks: readonly Uint8Array[]): Promise<BlockLocation[]> {
    const segment = this.#roomy()
    const file = await this.#appendingTo(segment)
    const end = this.#sizes.get(segment) ?? 0
    const length = blocks.reduce((sum, { byteLength }) => sum + byteLength, 0)
    const isDirect = length >= DIRECT_FROM_BYTES && this.#direct.isPossible
    // a direct write starts at a page boundary; the skipped bytes before it belong to no block
    const start = isDirect ? Math.ceil(end / DISK_PAGE_BYTES) * DISK_PAGE_BYTES : end
    let offset = start
    const locations = blocks.map((bytes) => {
      const location = { segment, offset, length: bytes.byteLength }
      offset += bytes.byteLength
      return location
    })
    try {
      const path = COUNTED_NAMES.pathOf(this.#directory, segment)
      const done = isDirect ? await this.#direct.write(path, blocks, start) : 0
      if (done < length)
        await writeFully(file, done === 0 ? blocks : [Buffer.concat(blocks).subarray(done)], start + done)
    } catch (error) {
      await file.truncate(end) // frees the part that was written before the disk was full
      throw error
    }
    this.#sizes.set(segment, offset)
    // Only now: a sync that runs during the append must not count for these bytes.
    this.#sync.add(segment)
    return locations
  }

  /** The segment to append to: the newest one, unless it is full. */
  #roomy(): number {
    if (this.#current === 0 || (this.#sizes.get(this.#current) ?? Infinity) >= this.#segmentBytes) this.seal()
    return this.#current
  }

  async #syncNow(): Promise<void> {
    this.#sync.freeze()
    try {
      await this.#sync.run()
    } catch (error) {
      // None of these bytes are indexed: the writer gets the error and writes them again.
      for (const segment of [...this.#sync.doubtful]) this.#sync.forget(segment)
      if (this.#sync.hasFailed(this.#current)) this.seal()
      throw error
    }
    void this.#inTurn(() => this.#direct.rest()).catch(() => {
      // All bytes are synced, so a failed close loses nothing.
    })
  }

  async #appendingTo(segment: number): Promise<FileHandle> {
    if (this.#appending?.segment === segment) return this.#appending.file
    await this.#closeAppending()
    const create = this.#sizes.get(segment) === 0 ? constants.O_CREAT : 0
    const path = COUNTED_NAMES.pathOf(this.#directory, segment)
    this.#appending = { segment, file: await openRegularFile(path, constants.O_RDWR | create) }
    return this.#appending.file
  }

  async #closeAppending(): Promise<void> {
    const open = this.#appending
    this.#appending = undefined
    await open?.file.close()
  }
}

function notDurable(): DriveError {
  return new DriveError('NODE_ERROR', 'The disk of the block store lost written data; it is written again.')
}

async function writeFully(file: FileHandle, blocks: readonly Uint8Array[], start: number): Promise<void> {
  let position = start
  for (let first = 0; first < blocks.length; first += 512) {
    const part = blocks.slice(first, first + 512)
    const length = part.reduce((sum, bytes) => sum + bytes.byteLength, 0)
    const { bytesWritten } = await file.writev(part, position)
    // A short write means that the disk is nearly full: writing the rest alone gives the error.
    for (let done = bytesWritten; done < length;) {
      const rest = Buffer.concat(part).subarray(done)
      done += (await file.write(rest, 0, rest.byteLength, position + done)).bytesWritten
    }
    position += length
  }
}
