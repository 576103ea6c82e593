/**
 * The bytes of blocks: append-only segment files. Which part of which file is a block is the index's business; bytes that
 * no index row names (after a crash, or after garbage collection) are dead space until their segment is rewritten.
 */
import { constants, open, readdir, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { DriveError, KIB, MIB } from '../../base/index.js'
import { openRegularFile, statRegularFile } from '../../platform/index.js'
import { DirectWriter, PAGE_BYTES, type AllocatePages } from './direct-writer.js'

/** Rewriting a segment takes at most this much room. */
const SEGMENT_BYTES = 64 * MIB
const OPEN_FILES = 64
/** Appends from this size on go past the page cache: nobody reads them soon. */
const DIRECT_FROM_BYTES = 256 * KIB

/** Where a block lies: byte `offset` of segment file `segment`, `length` bytes. */
export interface Location {
  readonly segment: number
  readonly offset: number
  readonly length: number
}

export interface SegmentsOptions {
  readonly allocatePages?: AllocatePages | undefined
  /** A segment that has reached this length is not appended to; default 64 MiB. */
  readonly segmentBytes?: number | undefined
}

export class Segments {
  readonly #directory: string
  /** Segment → bytes in its file. */
  readonly #sizes: Map<number, number>
  readonly #files = new Map<number, Promise<FileHandle>>()
  readonly #unsynced = new Set<number>()
  #directoryUnsynced = false
  #current: number
  #append: Promise<unknown> = Promise.resolve()
  #syncing: Promise<unknown> = Promise.resolve()
  /** Whose sync failed once. Linux counts the pages it lost as clean from then on, so a later sync of them proves nothing. */
  readonly #doubtful = new Set<number>()
  readonly #direct: DirectWriter
  readonly #segmentBytes: number

  private constructor(directory: string, sizes: Map<number, number>, options: SegmentsOptions) {
    this.#directory = directory
    this.#sizes = sizes
    this.#direct = new DirectWriter(options.allocatePages)
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES
    this.#current = Math.max(0, ...sizes.keys())
  }

  /** @param directory must exist */
  static async open(directory: string, options: SegmentsOptions = {}): Promise<Segments> {
    const sizes = new Map<number, number>()
    for (const name of await readdir(directory)) {
      const number = /^(\d{8})\.seg$/.exec(name)?.[1]
      if (number === undefined) continue
      sizes.set(Number(number), (await statRegularFile(join(directory, name))).size)
    }
    return new Segments(directory, sizes, options)
  }

  get sizes(): ReadonlyMap<number, number> {
    return this.#sizes
  }

  /** The segment's file reaches that far. */
  has({ segment, offset, length }: Location): boolean {
    return offset + length <= (this.#sizes.get(segment) ?? 0)
  }

  get usedBytes(): number {
    let sum = 0
    for (const size of this.#sizes.values()) sum += size
    return sum
  }

  /** Appends in the order of calls. Durable after `sync`. The bytes must not change until it resolves. */
  append(blocks: readonly Uint8Array[]): Promise<Location[]> {
    const done = this.#append.then(() => this.#write(blocks))
    // The failure belongs to the caller of this append; the next one starts afresh.
    this.#append = done.catch(() => undefined)
    return done
  }

  async #write(blocks: readonly Uint8Array[]): Promise<Location[]> {
    const segment = this.#roomy()
    const file = await this.#file(segment)
    const end = this.#sizes.get(segment) ?? 0
    const length = blocks.reduce((sum, { byteLength }) => sum + byteLength, 0)
    const isDirect = length >= DIRECT_FROM_BYTES && this.#direct.isPossible
    // a direct write begins on a page; what is left out before it belongs to no block
    const start = isDirect ? Math.ceil(end / PAGE_BYTES) * PAGE_BYTES : end
    let offset = start
    const locations = blocks.map((bytes) => {
      const location = { segment, offset, length: bytes.byteLength }
      offset += bytes.byteLength
      return location
    })
    this.#unsynced.add(segment)
    if (end === 0) this.#directoryUnsynced = true
    try {
      const path = join(this.#directory, fileName(segment))
      const done = isDirect ? await this.#direct.write(path, blocks, start) : 0
      if (done < length)
        await writeFully(file, done === 0 ? blocks : [Buffer.concat(blocks).subarray(done)], start + done)
    } catch (error) {
      await file.truncate(end) // gives back what a full disk took of it
      throw error
    }
    this.#sizes.set(segment, offset)
    return locations
  }

  /** Takes back blocks that no index row names, as far as they lie at the end of their segment; the rest becomes dead space. */
  async discard(locations: readonly Location[]): Promise<void> {
    const shorten = async (): Promise<void> => {
      for (const { segment, offset, length } of locations.toSorted((a, b) => b.offset - a.offset)) {
        if (this.#sizes.get(segment) !== offset + length) continue
        await (await this.#file(segment)).truncate(offset)
        this.#sizes.set(segment, offset)
      }
    }
    const done = this.#append.then(shorten)
    this.#append = done.catch(() => undefined)
    await done
  }

  /** The segment to append to: the newest while it has room. */
  #roomy(): number {
    if (this.#current > 0 && (this.#sizes.get(this.#current) ?? Infinity) < this.#segmentBytes) return this.#current
    this.#current++
    this.#sizes.set(this.#current, 0)
    return this.#current
  }

  /** Later appends go to a new segment, so that this one can be rewritten. @returns nothing is appended to it any more */
  seal(): void {
    this.#current++
    this.#sizes.set(this.#current, 0)
  }

  /** Everything appended so far is on the disk when it resolves; of `written`, for sure, nothing was lost before. One after the other: each is sure of what those before it began. */
  sync(written: Iterable<Location>): Promise<void> {
    const done = this.#syncing.then(() => this.#syncNow())
    this.#syncing = done.catch(() => undefined) // told to whoever asked
    return done.then(() => {
      for (const { segment } of written) if (this.#doubtful.has(segment)) throw notDurable()
    })
  }

  async #syncNow(): Promise<void> {
    const segments = [...this.#unsynced]
    const withDirectory = this.#directoryUnsynced
    // What another import appends meanwhile is for the next one.
    this.#unsynced.clear()
    this.#directoryUnsynced = false
    try {
      await Promise.all(segments.map(async (segment) => (await this.#file(segment)).datasync()))
      if (withDirectory) await syncDirectory(this.#directory)
    } catch (error) {
      for (const segment of segments) this.#doubtful.add(segment)
      this.#directoryUnsynced ||= withDirectory
      if (segments.includes(this.#current)) this.seal()
      throw error
    }
    this.#append = this.#append
      .then(() => this.#direct.rest())
      .catch(() => {
        // What was written is synced; a file that does not close well is nobody's failure.
      })
  }

  /** @returns fresh memory; shorter than asked when the file ends early */
  async read(location: Location): Promise<Uint8Array> {
    if (!this.has(location)) return new Uint8Array(0)
    const file = await this.#file(location.segment)
    const bytes = Buffer.allocUnsafeSlow(location.length)
    let done = 0
    while (done < location.length) {
      const { bytesRead } = await file.read(bytes, done, location.length - done, location.offset + done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return bytes.subarray(0, done)
  }

  async remove(segment: number): Promise<void> {
    await this.#closeFile(segment)
    this.#unsynced.delete(segment)
    this.#sizes.delete(segment)
    await unlink(join(this.#directory, fileName(segment)))
  }

  async close(): Promise<void> {
    await this.#append
    await this.#direct.rest()
    for (const segment of [...this.#files.keys()]) await this.#closeFile(segment)
  }

  #file(segment: number): Promise<FileHandle> {
    const known = this.#files.get(segment)
    if (known !== undefined) {
      this.#files.delete(segment)
      this.#files.set(segment, known)
      return known
    }
    const create = this.#sizes.get(segment) === 0 ? constants.O_CREAT : 0
    const file = openRegularFile(join(this.#directory, fileName(segment)), constants.O_RDWR | create)
    file.catch(() => this.#files.delete(segment))
    this.#files.set(segment, file)
    this.#closeOldest()
    return file
  }

  /** Least recently used files are closed, never one that still has to be synced. A FileHandle ends its reads before it closes. */
  #closeOldest(): void {
    for (const [segment, file] of this.#files) {
      if (this.#files.size <= OPEN_FILES) return
      if (this.#unsynced.has(segment) || segment === this.#current) continue
      this.#files.delete(segment)
      void file.then((open) => open.close()).catch(() => undefined)
    }
  }

  async #closeFile(segment: number): Promise<void> {
    const file = this.#files.get(segment)
    this.#files.delete(segment)
    await (await file)?.close()
  }
}

function notDurable(): DriveError {
  return new DriveError('NODE_ERROR', 'The disk of the block store lost what was written to it; it is written again.')
}

async function writeFully(file: FileHandle, blocks: readonly Uint8Array[], start: number): Promise<void> {
  let position = start
  for (let first = 0; first < blocks.length; first += 512) {
    const part = blocks.slice(first, first + 512)
    const length = part.reduce((sum, bytes) => sum + bytes.byteLength, 0)
    const { bytesWritten } = await file.writev(part, position)
    // A short write is a disk that is nearly full: the rest is written alone, and says why it cannot be.
    for (let done = bytesWritten; done < length;) {
      const rest = Buffer.concat(part).subarray(done)
      done += (await file.write(rest, 0, rest.byteLength, position + done)).bytesWritten
    }
    position += length
  }
}

export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } catch (error) {
    // File systems that cannot sync a directory (FAT through FUSE) say EINVAL; nothing more can be done there.
    if (!(error instanceof Error && 'code' in error && error.code === 'EINVAL')) throw error
  } finally {
    await directory.close()
  }
}

function fileName(segment: number): string {
  return `${String(segment).padStart(8, '0')}.seg`
}
