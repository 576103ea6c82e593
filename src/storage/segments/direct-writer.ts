/**
 * Writes past the page cache, from one reused buffer that begins on a page: what an import stores is read again at most
 * by another device, and fresh pages of the cache cost more than the write. docs/decisions/014 has the measurements.
 */
import { constants, type FileHandle } from 'node:fs/promises'
import { MIB } from '../../base/index.js'
import { openRegularFile } from '../../platform/index.js'

export const DISK_PAGE_BYTES = 4096
const BUFFER_BYTES = 4 * MIB

export type AllocatePages = (bytes: number) => Buffer | undefined

export class DirectWriter {
  readonly #allocatePages: AllocatePages | undefined
  /** False where there is no memory for it, or once a file system refused. */
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
   * The whole pages of `blocks`, one after the other.
   * @param position a multiple of a page
   * @returns bytes written; the rest, less than a page or all that the file system refused so, is the caller's
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
      // a file system without direct writes, or with other rules for them; what it took is written again
      this.#isPossible = false
      return 0
    }
  }

  /** Gives buffer and file back until the next write. Not during one. */
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
