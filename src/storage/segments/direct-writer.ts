/**
 * Writes past the page cache, from one reused page-aligned buffer. Imported blocks are rarely read again, and fresh
 * pages of the page cache cost more than the write. docs/decisions/014 has the measurements.
 */
import { constants, type FileHandle } from 'node:fs/promises'
import { MIB } from '../../base/index.js'
import { openRegularFile } from '../../platform/index.js'

export const DISK_PAGE_BYTES = 4096
const BUFFER_BYTES = 4 * MIB

export type AllocatePages = (bytes: number) => Buffer | undefined

export class DirectWriter {
  readonly #allocatePages: AllocatePages | undefined
  /** False when the buffer could not be allocated, or after a file system refused. */
  #isPossible: boolean
  #buffer: Buffer | undefined
  #file: { readonly path: string; readonly handle: FileHandle } | undefined

  constructor(allocatePages: AllocatePages | undefined) {
    this.#allocatePages = allocatePages
    this.#isPossible = allocatePages !== undefined
  }

  get isPossible(): boolean {
    return this.#isPossible
  }

  /**
   * Writes the whole pages of `blocks`, one after another.
   * @param position a multiple of the page size
   * @returns the number of bytes written; the caller writes the rest: less than a page, or everything after a refusal
   */
  async write(path: string, blocks: readonly Uint8Array[], position: number): Promise<number> {
    const buffer = (this.#buffer ??= this.#allocatePages?.(BUFFER_BYTES))
    if (buffer === undefined) {
      this.#isPossible = false
      return 0
    }
    let done = 0
    let filled = 0
    try {
      const file = await this.#open(path)
      for (const block of blocks) {
        for (let at = 0; at < block.byteLength;) {
          const count = Math.min(block.byteLength - at, buffer.length - filled)
          buffer.set(block.subarray(at, at + count), filled)
          at += count
          filled += count
          if (filled < buffer.length) continue
          done += await writeAll(file, buffer, position + done)
          filled = 0
        }
      }
      const pages = buffer.subarray(0, filled - (filled % DISK_PAGE_BYTES))
      return done + (await writeAll(file, pages, position + done))
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EINVAL')) throw error
      // The file system has no direct writes, or other rules for them; bytes it accepted are written again.
      this.#isPossible = false
      return 0
    }
  }

  /** Frees the buffer and the file until the next write. Must not run during a write. */
  async rest(): Promise<void> {
    this.#buffer = undefined
    await this.#closeFile()
  }

  async #open(path: string): Promise<FileHandle> {
    if (this.#file?.path === path) return this.#file.handle
    await this.#closeFile()
    this.#file = { path, handle: await openRegularFile(path, constants.O_WRONLY | constants.O_DIRECT) }
    return this.#file.handle
  }

  async #closeFile(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.handle.close()
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<number> {
  for (let done = 0; done < bytes.length;) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten
  }
  return bytes.length
}
