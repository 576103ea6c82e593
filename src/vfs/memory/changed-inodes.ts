/**
 * The inodes whose row the next commit writes. They stay in memory until then, so a commit begins when their attributes
 * and inline bodies take many bytes.
 */
import { MIB } from '../../base/index.js'
import type { Inode } from '../inodes/inode.js'

/** A commit begins when they take more. */
const COMMITTED_FROM_BYTES = 4 * MIB
/** A change of attributes waits while they take more. */
const MOST_BYTES = 12 * MIB

export class ChangedInodes {
  readonly #inodes = new Set<Inode>()
  #bytes = 0
  #onMany: () => void = () => undefined

  /** @param listener begins a commit */
  onMany(listener: () => void): void {
    this.#onMany = listener
  }

  get size(): number {
    return this.#inodes.size
  }

  /** Of attributes and inline bodies. */
  get bytes(): number {
    return this.#bytes
  }

  get areTooLarge(): boolean {
    return this.#bytes > MOST_BYTES
  }

  add(inode: Inode): void {
    this.#inodes.add(inode)
    this.grown(inode.heavyBytes)
  }

  /** The attributes and inline bodies of one of them have more bytes now. */
  grown(bytes: number): void {
    this.#bytes += bytes
    if (bytes > 0 && this.#bytes > COMMITTED_FROM_BYTES) this.#onMany()
  }

  delete(inode: Inode): void {
    if (this.#inodes.delete(inode)) this.#bytes -= inode.heavyBytes
  }

  /** Their rows are written. */
  clear(): void {
    this.#inodes.clear()
    this.#bytes = 0
  }

  [Symbol.iterator](): IterableIterator<Inode> {
    return this.#inodes.values()
  }
}
