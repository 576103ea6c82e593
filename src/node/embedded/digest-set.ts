/**
 * A set of digests that takes 16 bytes per member and no objects: it holds their first halves in a table with open
 * addressing. Two digests with equal first halves count as one. Here this only means that one garbage block stays.
 */
import type { Digest } from '../../base/index.js'

const WORDS = 4
const FIRST_SLOTS = 1024

export class DigestSet {
  #slots = FIRST_SLOTS
  #words = new Uint32Array(FIRST_SLOTS * WORDS)
  /** 1 for a used slot. */
  #taken = new Uint8Array(FIRST_SLOTS)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** @returns false when it was already in the set */
  add(digest: Digest): boolean {
    if (this.#size * 3 >= this.#slots * 2) this.#grow()
    return this.#put(wordsOf(digest))
  }

  has(digest: Digest): boolean {
    const words = wordsOf(digest)
    return this.#taken[this.#slotOf(words)] === 1
  }

  #put(words: Words): boolean {
    const slot = this.#slotOf(words)
    if (this.#taken[slot] === 1) return false
    this.#taken[slot] = 1
    this.#words.set(words, slot * WORDS)
    this.#size++
    return true
  }

  /** The slot of the words, or the free slot where they belong. */
  #slotOf(words: Words): number {
    for (let slot = words[0] % this.#slots; ; slot = (slot + 1) % this.#slots) {
      if (this.#taken[slot] === 0) return slot
      const at = slot * WORDS
      if (words.every((word, i) => this.#words[at + i] === word)) return slot
    }
  }

  #grow(): void {
    const [words, taken, slots] = [this.#words, this.#taken, this.#slots]
    this.#slots = slots * 2
    this.#words = new Uint32Array(this.#slots * WORDS)
    this.#taken = new Uint8Array(this.#slots)
    this.#size = 0
    for (let slot = 0; slot < slots; slot++) {
      const at = slot * WORDS
      if (taken[slot] === 1) this.#put([words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!])
    }
  }
}

type Words = readonly [number, number, number, number]

function wordsOf(digest: Digest): Words {
  const word = (at: number): number =>
    (digest[at]! | (digest[at + 1]! << 8) | (digest[at + 2]! << 16) | (digest[at + 3]! << 24)) >>> 0
  return [word(0), word(4), word(8), word(12)]
}
