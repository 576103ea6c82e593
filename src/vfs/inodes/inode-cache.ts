/**
 * The inode objects in memory. Reloadable ones are dropped if there are too many, or if their attributes and inline
 * bodies take too many bytes, and all of them after an idle period.
 */
import { KIB, MIB } from '../../base/index.js'
import { xattrBytes } from '../../model/index.js'
import { isDroppable, type Inode } from './inode.js'

const MAX_INODES = 30_000
/** Of attributes and inline bodies: one object may have 160 KiB. */
const MAX_HEAVY_BYTES = 32 * MIB
/** Fewer bytes count as part of the object. */
const LEAST_HEAVY = KIB / 2
const SWEEP = 256
/** An operation may hold what it used last. These take less than `MAX_HEAVY_BYTES`. */
const RECENT = 128

export class InodeCache {
  readonly #inodes = new Map<number, Inode>()
  /** Those of `#inodes` that have `heavyBytes`. */
  readonly #heavy = new Map<number, Inode>()
  readonly #limit: number
  #heavyBytes = 0
  #uses = 0
  #isAtRest = false

  constructor(limit: number = MAX_INODES) {
    this.#limit = limit
  }

  get size(): number {
    return this.#inodes.size
  }

  /** Bytes of attributes and inline bodies, of the objects that have many. */
  get heavyBytes(): number {
    return this.#heavyBytes
  }

  /** No inode was requested since the last call of `rest`. */
  get isAtRest(): boolean {
    return this.#isAtRest
  }

  /** Returns the object of a requested inode. */
  use(ino: number): Inode | undefined {
    this.#isAtRest = false
    const inode = this.#inodes.get(ino)
    if (inode !== undefined) {
      inode.used = true
      inode.usedAt = ++this.#uses
    }
    return inode
  }

  /** Like `use`, without keeping the object in memory. */
  peek(ino: number): Inode | undefined {
    return this.#inodes.get(ino)
  }

  add(inode: Inode): void {
    inode.usedAt = ++this.#uses
    this.#inodes.set(inode.ino, inode)
    this.weigh(inode)
    if (this.#inodes.size > this.#limit && this.#inodes.size % 32 === 0) this.trim()
    else this.#trimHeavy()
  }

  /** Call it when attributes or the inline body may have another length. */
  weigh(inode: Inode): void {
    const bytes = weightOf(inode)
    if (bytes === inode.heavyBytes || this.#inodes.get(inode.ino) !== inode) return
    this.#heavyBytes += bytes - inode.heavyBytes
    inode.heavyBytes = bytes
    if (bytes > 0) this.#heavy.set(inode.ino, inode)
    else this.#heavy.delete(inode.ino)
  }

  delete(ino: number): void {
    const inode = this.#inodes.get(ino)
    if (inode === undefined) return
    this.#inodes.delete(ino)
    if (!this.#heavy.delete(ino)) return
    this.#heavyBytes -= inode.heavyBytes
    inode.heavyBytes = 0
  }

  all(): Inode[] {
    return [...this.#inodes.values()]
  }

  /** Drops unused objects while there are too many: checks a bounded number of the oldest ones. */
  trim(): void {
    this.#sweep(this.#inodes, () => this.#inodes.size <= this.#limit, 0)
    this.#trimHeavy()
  }

  #trimHeavy(): void {
    this.#sweep(this.#heavy, () => this.#heavyBytes <= MAX_HEAVY_BYTES, RECENT)
  }

  /**
   * What is in use goes to the end of `list`.
   * @param recent so many last uses keep their object
   */
  #sweep(list: Map<number, Inode>, isEnough: () => boolean, recent: number): void {
    let steps = SWEEP
    for (const [ino, inode] of list) {
      if (isEnough() || steps-- === 0) return
      if (inode.used || inode.usedAt > this.#uses - recent || !isDroppable(inode)) {
        list.delete(ino)
        list.set(ino, inode)
      } else this.delete(ino)
      inode.used = false
    }
  }

  /** Call it periodically. If no inode was requested since the last call, drops all that can be loaded again. */
  rest(): void {
    if (this.#isAtRest) for (const [ino, inode] of this.#inodes) if (isDroppable(inode)) this.delete(ino)
    this.#isAtRest = true
  }
}

function weightOf({ xattrs, inline }: Inode): number {
  let bytes = inline?.length ?? 0
  for (const { name, value } of xattrs) bytes += xattrBytes(name, value)
  return bytes < LEAST_HEAVY ? 0 : bytes
}
