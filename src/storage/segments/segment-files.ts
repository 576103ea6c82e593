/**
 * Open segment files of the block store: a bounded cache of descriptors for reading, syncing and punching. A descriptor
 * in use by an asynchronous read is closed only after the read, so its number cannot be reused for another file
 * meanwhile.
 */
import { closeSync, constants, fdatasync, read as readCallback, readSync } from 'node:fs'
import { unlink } from 'node:fs/promises'
import { promisify } from 'node:util'
import { DriveError } from '../../base/index.js'
import type { BlockLocation } from './contract.js'
import { RANDOM_NAMES, type SegmentNames } from './segment-names.js'
import { isFinished } from './segment-writer.js'
import { openSegment, openSegmentLater } from './open-segment.js'
import { giveSecondName, hasSecondName } from './second-name.js'

/**
 * System calls that Node lacks, from the native core. Without them, no holes are punched, no read completes
 * synchronously, and all reads go through the page cache.
 */
export interface FileCalls {
  /** @returns false when the range could not be freed */
  punchHole(fd: number, offset: number, length: number): boolean
  /** @returns bytes read from the page cache; undefined when it has none of them */
  readWithoutWaiting(fd: number, into: Uint8Array, offset: number): number | undefined
  /** @returns page-aligned memory; undefined when there is none */
  allocatePages?(bytes: number): Uint8Array | undefined
}

interface OpenFile {
  readonly fd: number
  /** The same file, bypassing the page cache. */
  directFd?: number | undefined
  users: number
  /** Removed from the cache: closed when the last user is done. */
  doomed: boolean
}

const PAGE = 4096
const MAX_OPEN = 96
/** Smaller blocks are likely to be read together with their neighbours, which the page cache then has too. */
const DIRECT_FROM_BYTES = 128 * 1024
const FLAGS = { read: constants.O_RDONLY, change: constants.O_RDWR } as const
const sync = promisify(fdatasync)
const read = promisify(readCallback)

export class SegmentFiles {
  readonly #open = new Map<number, OpenFile>()
  readonly #flags: number
  readonly #opening = new Map<number, Promise<OpenFile | undefined>>()
  /** False after the file system refused. */
  #punches = true
  #readsDirect = true
  #isClosed = false
  /** Page-aligned memory given out by `scratch`. */
  readonly #onPages = new WeakSet<Uint8Array>()

  constructor(
    private readonly directory: string,
    private readonly calls: FileCalls | undefined,
    private readonly names: SegmentNames = RANDOM_NAMES,
    access: keyof typeof FLAGS = 'change',
  ) {
    this.#flags = FLAGS[access]
  }

  /** Ranges inside a segment can be freed. */
  get canPunch(): boolean {
    return this.calls !== undefined && this.#punches
  }

  /** Memory for `read`, which then bypasses the page cache if the file system allows it. */
  scratch(bytes: number): Uint8Array {
    const pages = this.calls?.allocatePages?.(bytes)
    if (pages === undefined) return Buffer.allocUnsafeSlow(bytes)
    this.#onPages.add(pages)
    return pages
  }

  /**
   * The bytes, when they are available without waiting or `wait` is set. Otherwise undefined, also when the file ends
   * too early.
   */
  readNow({ segment, offset, length }: BlockLocation, wait: boolean, scratch?: Uint8Array): Uint8Array | undefined {
    const fd = this.#file(segment)?.fd
    if (fd === undefined) return undefined
    const bytes = roomFor(length, scratch)
    let done = this.calls?.readWithoutWaiting(fd, bytes, offset) ?? 0
    while (wait && done < length) {
      const count = readSync(fd, bytes, done, length - done, offset + done)
      if (count === 0) break
      done += count
    }
    return done === length ? bytes : undefined
  }

  /** The bytes; undefined when the file is gone or ends too early. */
  async read({ segment, offset, length }: BlockLocation, scratch?: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#using(segment, async (file) => {
      const bytes = roomFor(length, scratch)
      const isDirect = length >= DIRECT_FROM_BYTES && scratch !== undefined && this.#onPages.has(scratch)
      let done = isDirect ? await this.#readDirect(file, segment, bytes, offset) : 0
      while (done < length) {
        const { bytesRead } = await read(file.fd, bytes, done, length - done, offset + done)
        if (bytesRead === 0) return undefined
        done += bytesRead
      }
      return bytes
    })
  }

  /** @returns the number of bytes read; the rest goes through the page cache */
  async #readDirect(file: OpenFile, segment: number, bytes: Uint8Array, offset: number): Promise<number> {
    if (!this.#readsDirect || offset % PAGE !== 0 || bytes.length % PAGE !== 0) return 0
    try {
      const flags = constants.O_RDONLY | constants.O_DIRECT
      file.directFd ??= openSegment(this.names.pathOf(this.directory, segment), flags)
      if (file.directFd === undefined) return 0 // removed since it was opened
      return (await read(file.directFd, bytes, 0, bytes.length, offset)).bytesRead
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
      this.#readsDirect = false
      return 0
    }
  }

  /** Makes the bytes of the segment durable, whichever thread wrote them. */
  async sync(segment: number): Promise<void> {
    const done = await this.#using(segment, async ({ fd }) => {
      await sync(fd)
      return true
    })
    if (done !== true) throw new DriveError('INTERNAL', 'A block segment vanished before it was durable.')
  }

  /** See `giveSecondName`. The thread that punches is the one that shares: neither comes between steps of the other. */
  share(segment: number, path: string): boolean {
    return giveSecondName(this.names.pathOf(this.directory, segment), path)
  }

  /** Frees whole pages inside the range, unless the file is shared. @returns the number of bytes freed */
  punch({ segment, offset, length }: BlockLocation): number {
    const start = Math.ceil(offset / PAGE) * PAGE
    const freed = Math.floor((offset + length) / PAGE) * PAGE - start
    if (freed <= 0 || this.calls === undefined) return 0
    const fd = this.#file(segment)?.fd
    if (fd === undefined || hasSecondName(fd)) return 0
    this.#punches = this.calls.punchHole(fd, start, freed)
    return this.#punches ? freed : 0
  }

  /** True when a writer has finished the segment with exactly `contentBytes` in it. */
  isFinished(segment: number, contentBytes: number): boolean {
    const fd = this.#file(segment)?.fd
    return fd === undefined || isFinished(fd, contentBytes)
  }

  async remove(segment: number): Promise<void> {
    this.#drop(segment)
    await unlink(this.names.pathOf(this.directory, segment)).catch((error: NodeJS.ErrnoException) => {
      // A directory in its place is not ours.
      if (error.code !== 'ENOENT' && error.code !== 'EISDIR') throw error
    })
  }

  close(): void {
    this.#isClosed = true
    for (const segment of [...this.#open.keys()]) this.#drop(segment)
  }

  async #using<T>(segment: number, use: (file: OpenFile) => Promise<T>): Promise<T | undefined> {
    let file = this.#open.get(segment)
    // Another file opened meanwhile may have pushed it out of the cache again.
    while (file === undefined || this.#open.get(segment) !== file) {
      file = await this.#fileLater(segment)
      if (file === undefined) return undefined
    }
    file.users++
    try {
      return await use(file)
    } finally {
      if (--file.users === 0 && file.doomed) closeBoth(file)
    }
  }

  #file(segment: number): OpenFile | undefined {
    const known = this.#open.get(segment)
    if (known !== undefined) return known
    const fd = openSegment(this.names.pathOf(this.directory, segment), this.#flags)
    return fd === undefined ? undefined : this.#keep(segment, fd)
  }

  /** The same without blocking the thread: opening a file may be slow. */
  async #fileLater(segment: number): Promise<OpenFile | undefined> {
    const known = this.#open.get(segment)
    if (known !== undefined) return known
    const opening = this.#opening.get(segment) ?? this.#openLater(segment)
    this.#opening.set(segment, opening)
    try {
      return await opening
    } finally {
      this.#opening.delete(segment)
    }
  }

  async #openLater(segment: number): Promise<OpenFile | undefined> {
    const fd = await openSegmentLater(this.names.pathOf(this.directory, segment), this.#flags)
    if (fd === undefined) return undefined
    const known = this.#open.get(segment)
    if (known === undefined && !this.#isClosed) return this.#keep(segment, fd)
    closeSync(fd)
    return known
  }

  #keep(segment: number, fd: number): OpenFile {
    if (this.#open.size >= MAX_OPEN) this.#drop(this.#open.keys().next().value!)
    const file: OpenFile = { fd, users: 0, doomed: false }
    this.#open.set(segment, file)
    return file
  }

  #drop(segment: number): void {
    const file = this.#open.get(segment)
    if (file === undefined) return
    this.#open.delete(segment)
    if (file.users === 0) closeBoth(file)
    else file.doomed = true
  }
}

function closeBoth({ fd, directFd }: OpenFile): void {
  closeSync(fd)
  if (directFd !== undefined) closeSync(directFd)
}

function roomFor(length: number, scratch: Uint8Array | undefined): Uint8Array {
  return scratch !== undefined && scratch.length >= length ? scratch.subarray(0, length) : Buffer.allocUnsafe(length)
}
