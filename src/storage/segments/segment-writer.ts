/**
 * Segment files: sealed blocks one after another, without headers. A writer has one file at a time. Its name is a
 * random 47-bit number, and it is created exclusively, so writers of different threads never share a file and numbers
 * are not reused. A finished segment ends with a mark; nothing is appended after it, and nothing is appended to
 * segments of an earlier run.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { DriveError, systemRandom, type Random } from '../../base/index.js'
import type { BlockLocation, SegmentWriter } from './contract.js'
import { hasSecondName } from './second-name.js'
import { RANDOM_NAMES } from './segment-names.js'
import { makeDurableDirectory, writeFailure, type SpaceGuard } from '../../platform/index.js'

const PAGE = 4096
const SEGMENT_BYTES = 64 * 1024 * 1024
const END_MARK = Buffer.from('dagdrive segment end\n', 'latin1')

export interface SegmentWriterOptions {
  /** A new segment starts when the next append would exceed this length; default 64 MiB. */
  readonly segmentBytes?: number
  /** Called before every append. */
  readonly guard?: SpaceGuard
  readonly random?: Random
  /**
   * Bypasses the page cache if the file system allows it, for appends of whole pages (as sealed blocks are) from
   * page-aligned memory. Other appends, and the rest after a refusal of the file system, go through the page cache.
   */
  readonly direct?: boolean
}

/** @param directory of the segments (`BlockStore.segmentDirectory`), created when absent */
export function openSegmentWriter(directory: string, options: SegmentWriterOptions = {}): SegmentWriter {
  makeDurableDirectory(directory)
  return new FileSegmentWriter(directory, options)
}

/** True when the file holds exactly `contentBytes` and the end mark: no writer will change it again. */
export function isFinished(fd: number, contentBytes: number): boolean {
  if (fstatSync(fd).size !== contentBytes + END_MARK.length) return false
  const tail = Buffer.alloc(END_MARK.length)
  return readSync(fd, tail, 0, tail.length, contentBytes) === tail.length && tail.equals(END_MARK)
}

class FileSegmentWriter implements SegmentWriter {
  readonly #directory: string
  readonly #segmentBytes: number
  readonly #guard: SpaceGuard | undefined
  readonly #random: Random
  #fd: number | undefined
  /** The same file, bypassing the page cache. */
  #directFd: number | undefined
  #isDirect: boolean
  #segment = 0
  #end = 0
  #closed = false

  constructor(directory: string, options: SegmentWriterOptions) {
    this.#directory = directory
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES
    this.#guard = options.guard
    this.#random = options.random ?? systemRandom
    this.#isDirect = options.direct ?? false
  }

  append(bytes: Uint8Array, lengths: readonly number[]): BlockLocation[] {
    if (this.#closed) throw new DriveError('INTERNAL', 'The segment writer is closed.')
    if (lengths.reduce((sum, length) => sum + length, 0) !== bytes.length)
      throw new RangeError('Lengths do not cover the bytes.')
    this.#guard?.check(bytes.length)
    if (this.#fd !== undefined && this.#isFull(this.#fd, bytes.length)) this.#finish()
    const fd = this.#fd ?? this.#begin(bytes.length)
    const start = this.#end
    try {
      const done = this.#writeDirect(bytes, start)
      writeAll(fd, bytes.subarray(done), start + done)
    } catch (error) {
      this.#cutBack(fd, start)
      throw writeFailure(error, this.#directory, bytes.length)
    }
    this.#end += bytes.length
    let offset = start
    return lengths.map((length) => {
      const location = { segment: this.#segment, offset, length }
      offset += length
      return location
    })
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#fd !== undefined) this.#finish()
  }

  /** Bytes after those that a store shares would stay on the disk for as long as these. */
  #isFull(fd: number, addedBytes: number): boolean {
    return this.#end > 0 && (this.#end + addedBytes > this.#segmentBytes || hasSecondName(fd))
  }

  #begin(neededBytes: number): number {
    for (;;) {
      const number = this.#random.bytes(6)
      number[0]! &= 0x7f
      const segment = Buffer.from(number).readUIntBE(0, 6)
      try {
        this.#fd = openSync(RANDOM_NAMES.pathOf(this.#directory, segment), 'wx', 0o600)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue
        throw writeFailure(error, this.#directory, neededBytes)
      }
      this.#segment = segment
      this.#end = 0
      return this.#fd
    }
  }

  /** @returns the number of bytes written; the rest goes through the page cache */
  #writeDirect(bytes: Uint8Array, position: number): number {
    if (!this.#isDirect || bytes.length % PAGE !== 0 || position % PAGE !== 0) return 0
    let done = 0
    try {
      const flags = constants.O_WRONLY | constants.O_DIRECT
      this.#directFd ??= openSync(RANDOM_NAMES.pathOf(this.#directory, this.#segment), flags)
      while (done < bytes.length) done += writeSync(this.#directFd, bytes, done, bytes.length - done, position + done)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
      // a file system without direct I/O, or with other rules for it
      this.#isDirect = false
    }
    return done
  }

  #finish(): void {
    const fd = this.#fd!
    this.#fd = undefined
    if (this.#directFd !== undefined) closeSync(this.#directFd)
    this.#directFd = undefined
    try {
      writeAll(fd, END_MARK, this.#end)
    } catch {
      // full disk: an unmarked segment is only reclaimed at the next start
      this.#cutBack(fd, this.#end)
    }
    closeSync(fd)
  }

  #cutBack(fd: number, end: number): void {
    try {
      ftruncateSync(fd, end)
    } catch {
      // the file only has extra bytes that no index row refers to
    }
  }
}

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, position + done)
}
