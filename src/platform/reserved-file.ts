/**
 * A small private file that can be replaced when the disk is full. A spare of the same size lies beside it; the next
 * content is written over the spare, whose blocks are there already, and the two change places. Only a file system that
 * never overwrites in place, such as btrfs, may need space for it.
 */
import { constants } from 'node:fs'
import { link, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncDirectory } from './durable-directory.js'
import { openHomeFile } from './home-file.js'
import { writePrivateFile } from './private-file.js'

export class ReservedFile {
  readonly #path: string
  readonly #spare: string
  readonly #bytes: number

  /** @param bytes the size of both files; content is padded with spaces to it */
  constructor(path: string, bytes: number) {
    this.#path = path
    this.#spare = `${path}.spare`
    this.#bytes = bytes
  }

  /** Makes the spare unless it is there. @param content of the file if it does not exist or is shorter. */
  async reserve(content: string): Promise<void> {
    if (!(await this.#isWhole(this.#path))) await writePrivateFile(this.#path, this.#padded(content))
    if (!(await this.#isWhole(this.#spare))) await writePrivateFile(this.#spare, this.#padded(''))
  }

  /**
   * Replaces the content atomically and durably. After `reserve`, only a content that is longer needs space.
   * @throws ACCESS_DENIED for anything but a regular file in its place
   */
  async write(content: string): Promise<void> {
    const padded = this.#padded(content)
    await this.#isWhole(this.#path)
    if (padded.length > this.#bytes || !(await this.#isWhole(this.#spare))) return writePrivateFile(this.#path, padded)
    const file = await openHomeFile(this.#spare, constants.O_RDWR)
    try {
      await file.write(padded, 0, undefined, 0)
      await file.sync()
    } finally {
      await file.close()
    }
    const before = `${this.#path}.before`
    await unlink(before).catch(() => undefined) // there is one only after a crash
    const hasBefore = await link(this.#path, before).then(
      () => true,
      () => false, // there is no file yet, or the file system has no links: the next `reserve` makes a spare
    )
    await rename(this.#spare, this.#path)
    if (hasBefore) await rename(before, this.#spare)
    syncDirectory(dirname(this.#path))
  }

  async #isWhole(path: string): Promise<boolean> {
    const file = await openHomeFile(path, constants.O_RDONLY).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
    if (file === undefined) return false
    try {
      return (await file.stat()).size === this.#bytes
    } finally {
      await file.close()
    }
  }

  #padded(content: string): Buffer {
    const bytes = Buffer.from(content, 'utf8')
    return Buffer.concat([bytes, Buffer.alloc(Math.max(0, this.#bytes - bytes.length), ' ')])
  }
}
