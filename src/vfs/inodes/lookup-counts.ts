/**
 * How often the kernel looked up an inode and has not forgotten it. Inode numbers are assigned in order, so counts of
 * neighbours lie together: a million known inodes take some six bytes each.
 */

/** With 64, the objects around the numbers take three times as much as the numbers. */
const BLOCK = 512

interface Block {
  readonly counts: Uint32Array
  /** The number of counts greater than 0. */
  used: number
}

export class LookupCounts {
  readonly #blocks = new Map<number, Block>()

  has(ino: number): boolean {
    return (this.#blocks.get(Math.floor(ino / BLOCK))?.counts[ino % BLOCK] ?? 0) > 0
  }

  /** @returns the count after the change; it is never below 0 */
  add(ino: number, change: number): number {
    const number = Math.floor(ino / BLOCK)
    let block = this.#blocks.get(number)
    if (block === undefined) {
      if (change <= 0) return 0
      this.#blocks.set(number, (block = { counts: new Uint32Array(BLOCK), used: 0 }))
    }
    const before = block.counts[ino % BLOCK]!
    const after = Math.max(0, before + change)
    block.counts[ino % BLOCK] = after
    if (before === 0 && after > 0) block.used++
    else if (before > 0 && after === 0 && --block.used === 0) this.#blocks.delete(number)
    return after
  }

  clear(): void {
    this.#blocks.clear()
  }
}
