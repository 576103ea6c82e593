/** Files that the kernel holds open: the inode of each handle, and whether the page cache was filled since the open. */

interface OpenFile {
  handles: number
  hasPages: boolean
}

export class OpenFiles {
  readonly #inodes = new Map<number, number>()
  readonly #files = new Map<number, OpenFile>()
  /** The kernel may hold files open and cache their pages since an earlier server. */
  hasUnknown = false

  opened(handle: number, ino: number): void {
    this.#inodes.set(handle, ino)
    const file = this.#files.get(ino)
    if (file === undefined) this.#files.set(ino, { handles: 1, hasPages: false })
    else file.handles++
  }

  released(handle: number): void {
    const ino = this.#inodes.get(handle)
    if (ino === undefined) return
    this.#inodes.delete(handle)
    const file = this.#files.get(ino)
    if (file !== undefined && --file.handles === 0) this.#files.delete(ino)
  }

  /** Call it when the kernel reads bytes into the page cache, or writes bytes that stay in the page cache. */
  pagesFilled(ino: number): void {
    const file = this.#files.get(ino)
    if (file !== undefined) file.hasPages = true
  }

  /** Whether `pagesFilled` was called since the first open of the file. */
  hasPages(ino: number): boolean {
    return this.hasUnknown || this.#files.get(ino)?.hasPages === true
  }

  /** Every handle with its inode. */
  entries(): Iterable<readonly [handle: number, ino: number]> {
    return this.#inodes
  }

  /** The inodes that have a handle. */
  inodes(): Iterable<number> {
    return this.#files.keys()
  }

  clear(): void {
    this.#inodes.clear()
    this.#files.clear()
  }
}
