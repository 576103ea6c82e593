/**
 * The inode objects in memory. Reloadable ones are dropped if there are too many, and all of them after an idle period.
 */
import { isDroppable, type Inode } from './inode.js'

const MAX_INODES = 30_000
const SWEEP = 256

export class InodeCache {
  readonly #inodes = new Map<number, Inode>()
  readonly #limit: number
  #isAtRest = false

  constructor(limit: number = MAX_INODES) {
    this.#limit = limit
  }

  get size(): number {
    return this.#inodes.size
  }

  /** No inode was requested since the last call of `rest`. */
  get isAtRest(): boolean {
    return this.#isAtRest
  }

  /** Returns the object of a requested inode. */
  use(ino: number): Inode | undefined {
    this.#isAtRest = false
    const inode = this.#inodes.get(ino)
    if (inode !== undefined) inode.used = true
    return inode
  }

  /** Like `use`, without keeping the object in memory. */
  peek(ino: number): Inode | undefined {
    return this.#inodes.get(ino)
  }

  add(inode: Inode): void {
    this.#inodes.set(inode.ino, inode)
    if (this.#inodes.size > this.#limit && this.#inodes.size % 32 === 0) this.trim()
  }

  delete(ino: number): void {
    this.#inodes.delete(ino)
  }

  all(): Inode[] {
    return [...this.#inodes.values()]
  }

  /** Drops unused objects while there are too many: checks a bounded number of the oldest ones. */
  trim(): void {
    let steps = SWEEP
    for (const [ino, inode] of this.#inodes) {
      if (this.#inodes.size <= this.#limit || steps-- === 0) return
      this.#inodes.delete(ino)
      if (inode.used || !isDroppable(inode)) this.#inodes.set(ino, inode)
      inode.used = false
    }
  }

  /** Call it periodically. If no inode was requested since the last call, drops all that can be loaded again. */
  rest(): void {
    if (this.#isAtRest) for (const [ino, inode] of this.#inodes) if (isDroppable(inode)) this.#inodes.delete(ino)
    this.#isAtRest = true
  }
}
