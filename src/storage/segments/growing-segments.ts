/**
 * Segments that one thread creates and appends to, one after another: the bytes of a node's block store. The index maps
 * blocks to ranges of these files. Bytes that no index row refers to (after a crash, or after garbage collection) are
 * dead space until their segment is rewritten. The calling thread never waits for the disk.
 */
import type { Stats } from 'node:fs'
import { constants, opendir, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { DriveError, KIB, MIB } from '../../base/index.js'
import { openRegularFile, statRegularFile } from '../../platform/index.js'
import type { BlockLocation } from './contract.js'
import { DirectWriter, DISK_PAGE_BYTES, type AllocatePages } from './direct-writer.js'
import { SegmentFiles } from './segment-files.js'
import { COUNTED_NAMES, FIRST_SHARED, MOST_NUMBER } from './segment-names.js'
import { SegmentSync } from './segment-sync.js'
import { SharedNumbers } from './shared-numbers.js'
import { writeFully } from './write-fully.js'

/** Rewriting a segment needs at most this much space. */
const SEGMENT_BYTES = 64 * MIB
/** The greatest length of a segment of ours, including the last batch appended to it. */
const MOST_SEGMENT_BYTES = 2 * SEGMENT_BYTES
/** 64 TiB. A folder with more files is an attack on the memory of the process that opens it. */
const MOST_SEGMENTS = 1_000_000
/** Appends of at least this size bypass the page cache: nobody reads them soon. */
const DIRECT_FROM_BYTES = 256 * KIB
const LOST = 'The disk of the block store lost written data; it is written again.'

export interface GrowingSegmentsOptions {
  readonly allocatePages?: AllocatePages | undefined
  /** Nothing is appended to a segment of at least this length; default 64 MiB. */
  readonly segmentBytes?: number | undefined
  /** Shared segments are expected: files with a second name, made by the block cache. They are only read. */
  readonly canShare?: boolean | undefined
}

export class GrowingSegments {
  readonly #directory: string
  /** Segment → length of its file in bytes. */
  readonly #sizes: Map<number, number>
  readonly #shared: SharedNumbers
  readonly #files: SegmentFiles
  readonly #sync: SegmentSync
  readonly #direct: DirectWriter
  readonly #segmentBytes: number
  #current: number
  #appending: { readonly segment: number; readonly file: FileHandle } | undefined
  #append: Promise<unknown> = Promise.resolve()
  #syncing: Promise<unknown> = Promise.resolve()

  private constructor(directory: string, files: ReadonlyMap<number, Stats>, options: GrowingSegmentsOptions) {
    this.#directory = directory
    this.#sizes = new Map(Array.from(files, ([segment, { size }]) => [segment, size]))
    this.#shared = new SharedNumbers(files)
    this.#files = new SegmentFiles(directory, undefined, COUNTED_NAMES)
    this.#sync = new SegmentSync(directory, this.#files)
    this.#direct = new DirectWriter(options.allocatePages)
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES
    this.#current = Math.max(0, ...[...files.keys()].filter((segment) => segment < FIRST_SHARED))
  }

  /**
   * @param directory must exist
   * @throws INVALID when a segment is a link or not a regular file
   */
  static async open(directory: string, options: GrowingSegmentsOptions = {}): Promise<GrowingSegments> {
    const files = new Map<number, Stats>()
    for await (const { name } of await opendir(directory)) {
      const segment = COUNTED_NAMES.numberOf(name)
      if (segment === undefined) continue
      const mayBeShared = options.canShare === true && segment >= FIRST_SHARED
      files.set(segment, await statRegularFile(join(directory, name), mayBeShared))
      if (files.size > MOST_SEGMENTS) throw new DriveError('NODE_ERROR', 'The block store has too many files.')
    }
    return new GrowingSegments(directory, files, options)
  }

  get sizes(): ReadonlyMap<number, number> {
    return this.#sizes
  }

  /** The segment's file has all these bytes. */
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
        if (segment >= FIRST_SHARED || this.#sizes.get(segment) !== offset + length) continue
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
    do this.#current = this.#current >= FIRST_SHARED - 1 ? 1 : this.#current + 1
    while (this.#sizes.has(this.#current))
    this.#sizes.set(this.#current, 0)
  }

  /** The number and the name that a file has or can get as a shared segment; undefined after a failed sync of it. */
  sharedNameOf(file: Pick<Stats, 'ino'>): { segment: number; path: string } | undefined {
    const segment = this.#shared.of(file)
    if (segment > MOST_NUMBER || this.#sync.hasFailed(segment)) return undefined
    return { segment, path: COUNTED_NAMES.pathOf(this.#directory, segment) }
  }

  /** The file has that name now; counts the bytes that it has so far. They are durable after `sync`. */
  async addShared(segment: number): Promise<void> {
    const file = await statRegularFile(COUNTED_NAMES.pathOf(this.#directory, segment), true)
    this.#sizes.set(segment, file.size)
    this.#shared.add(segment, file)
    this.#sync.add(segment)
  }

  /**
   * When it resolves, everything appended so far is on the disk, and no bytes of `written` were lost earlier. Calls run
   * one after another, so each also covers the segments of the previous calls.
   */
  async sync(written: Iterable<BlockLocation>): Promise<void> {
    const done = this.#syncing.then(() => this.#syncNow())
    this.#syncing = done.catch(() => undefined) // the caller gets the failure
    await done
    for (const { segment } of written) if (this.#sync.hasFailed(segment)) throw new DriveError('NODE_ERROR', LOST)
  }

  /** @returns newly allocated memory; shorter than requested when the file ends early */
  async read(location: BlockLocation): Promise<Uint8Array> {
    const read = (): Promise<Uint8Array | undefined> =>
      this.#files.read(location, Buffer.allocUnsafeSlow(location.length))
    return (this.has(location) ? await read() : undefined) ?? new Uint8Array(0)
  }

  async remove(segment: number): Promise<void> {
    this.#sync.forget(segment)
    this.#sizes.delete(segment)
    this.#shared.remove(segment)
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
