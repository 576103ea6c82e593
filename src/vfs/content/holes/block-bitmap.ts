/**
 * A set of block numbers that finds the next block of the set, or the next gap. Full stretches of it are runs of any
 * length; the bits of others lie in chunks of 4,096 blocks. So memory grows with the fragments of the set, not with the
 * numbers in it. Pure.
 */
import { KeyRuns } from './key-runs.js'

const WORDS = 128
const CHUNK_BLOCKS = WORDS * 32

/** Some blocks of it are in the set, not all. */
interface Chunk {
  readonly bits: Uint32Array
  count: number
}

export class BlockBitmap {
  readonly #chunks = new Map<number, Chunk>()
  /** Numbers of chunks with every block in the set. */
  readonly #full = new KeyRuns()
  /** The sorted keys of the map; undefined after a key was added or removed. */
  #keys: number[] | undefined
  #count = 0

  /** Number of blocks in the set. */
  get count(): number {
    return this.#count
  }

  /** Pieces that take memory: some hundred bytes each. */
  get fragments(): number {
    return this.#chunks.size + this.#full.count
  }

  /** Adds the blocks `from … to`. */
  add(from: number, to: number): void {
    const { head, tail, first, last } = cut(from, to)
    if (head !== undefined) this.#addTo(...head)
    if (first < last) {
      const before = this.#dropChunks(first, last)
      this.#count += this.#full.add(first, last) * CHUNK_BLOCKS - before
    }
    if (tail !== undefined) this.#addTo(...tail)
  }

  /** Removes the blocks `from … to`; `to` may be Infinity. */
  remove(from: number, to: number): void {
    const { head, tail, first, last } = cut(from, to)
    if (head !== undefined) this.#removeFrom(...head)
    if (first < last) this.#count -= this.#dropChunks(first, last) + this.#full.remove(first, last) * CHUNK_BLOCKS
    if (tail !== undefined) this.#removeFrom(...tail)
  }

  has(block: number): boolean {
    const key = Math.floor(block / CHUNK_BLOCKS)
    const chunk = this.#chunks.get(key)
    if (chunk === undefined) return this.#full.endOf(key) !== undefined
    const at = block % CHUNK_BLOCKS
    return (chunk.bits[at >>> 5]! & (1 << (at & 31))) !== 0
  }

  /** The first block of the set at or after `block`, or undefined. */
  nextIn(block: number): number | undefined {
    const key = Math.floor(block / CHUNK_BLOCKS)
    const here = this.#chunks.get(key)
    const found = here === undefined ? CHUNK_BLOCKS : nextBit(here.bits, block - key * CHUNK_BLOCKS, 0)
    if (found < CHUNK_BLOCKS) return key * CHUNK_BLOCKS + found
    const full = this.#full.next(key)
    if (full === key) return block
    const keys = this.#sortedKeys()
    const partial = keys[firstAtLeast(keys, key + 1)]
    if (partial === undefined || (full !== undefined && full < partial))
      return full === undefined ? undefined : full * CHUNK_BLOCKS
    return partial * CHUNK_BLOCKS + nextBit(this.#chunks.get(partial)!.bits, 0, 0)
  }

  /** The first block at or after `block` that is not in the set. */
  nextOut(block: number): number {
    for (let at = block; ;) {
      const key = Math.floor(at / CHUNK_BLOCKS)
      const fullTo = this.#full.endOf(key)
      if (fullTo !== undefined) {
        at = fullTo * CHUNK_BLOCKS
        continue
      }
      const chunk = this.#chunks.get(key)
      if (chunk === undefined) return at
      const base = key * CHUNK_BLOCKS
      const found = nextBit(chunk.bits, at - base, ~0)
      if (found < CHUNK_BLOCKS) return base + found
      at = base + CHUNK_BLOCKS
    }
  }

  #addTo(key: number, from: number, to: number): void {
    if (this.#full.endOf(key) !== undefined) return
    let chunk = this.#chunks.get(key)
    if (chunk === undefined) {
      chunk = { bits: new Uint32Array(WORDS), count: 0 }
      this.#chunks.set(key, chunk)
      this.#keys = undefined
    }
    const added = fill(chunk.bits, from, to, true)
    chunk.count += added
    this.#count += added
    if (chunk.count < CHUNK_BLOCKS) return
    this.#chunks.delete(key)
    this.#keys = undefined
    this.#full.add(key, key + 1)
  }

  #removeFrom(key: number, from: number, to: number): void {
    let chunk = this.#chunks.get(key)
    if (chunk === undefined) {
      if (this.#full.remove(key, key + 1) === 0) return
      chunk = { bits: new Uint32Array(WORDS).fill(0xffffffff), count: CHUNK_BLOCKS }
      this.#chunks.set(key, chunk)
      this.#keys = undefined
    }
    const gone = fill(chunk.bits, from, to, false)
    chunk.count -= gone
    this.#count -= gone
    if (chunk.count > 0) return
    this.#chunks.delete(key)
    this.#keys = undefined
  }

  /** @returns the blocks that were in the chunks `first … last` */
  #dropChunks(first: number, last: number): number {
    if (this.#chunks.size === 0) return 0
    let blocks = 0
    const keys = this.#sortedKeys()
    for (let i = firstAtLeast(keys, first); i < keys.length && keys[i]! < last; i++) {
      blocks += this.#chunks.get(keys[i]!)!.count
      this.#chunks.delete(keys[i]!)
      this.#keys = undefined
    }
    return blocks
  }

  #sortedKeys(): readonly number[] {
    this.#keys ??= [...this.#chunks.keys()].sort((a, b) => a - b)
    return this.#keys
  }
}

/** A part of a chunk: its key, and positions in it. */
type Part = readonly [key: number, from: number, to: number]

/** The whole chunks `first … last` of a range of blocks, and the parts of chunks before and after them. */
function cut(
  from: number,
  to: number,
): { head: Part | undefined; tail: Part | undefined; first: number; last: number } {
  if (from >= to) return { head: undefined, tail: undefined, first: 0, last: 0 }
  const first = Math.ceil(from / CHUNK_BLOCKS)
  const last = Math.floor(to / CHUNK_BLOCKS)
  const headKey = first - 1
  const hasHead = first * CHUNK_BLOCKS > from
  const head: Part | undefined = hasHead
    ? [headKey, from - headKey * CHUNK_BLOCKS, Math.min(CHUNK_BLOCKS, to - headKey * CHUNK_BLOCKS)]
    : undefined
  const hasTail = last >= first && last * CHUNK_BLOCKS < to
  return { head, tail: hasTail ? [last, 0, to - last * CHUNK_BLOCKS] : undefined, first, last }
}

/** Index of the first key that is at least `key`. */
function firstAtLeast(keys: readonly number[], key: number): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keys[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}

/** Sets or clears the bits `from … to`. @returns the number of changed bits */
function fill(bits: Uint32Array, from: number, to: number, isSet: boolean): number {
  let changed = 0
  for (let at = from; at < to;) {
    const word = at >>> 5
    const end = Math.min(to, (word + 1) * 32)
    const mask = end - at === 32 ? 0xffffffff : ((1 << (end - at)) - 1) << (at & 31)
    const before = bits[word]!
    bits[word] = isSet ? before | mask : before & ~mask
    changed += ones((before ^ bits[word]) >>> 0)
    at = end
  }
  return changed
}

/** The first bit at or after `at` that is set in `bits ^ flip`; CHUNK_BLOCKS when there is none. */
function nextBit(bits: Uint32Array, at: number, flip: number): number {
  let word = at >>> 5
  let rest = (bits[word]! ^ flip) & (0xffffffff << (at & 31))
  while (rest === 0) {
    if (++word === WORDS) return CHUNK_BLOCKS
    rest = bits[word]! ^ flip
  }
  return word * 32 + 31 - Math.clz32(rest & -rest)
}

function ones(value: number): number {
  let v = value - ((value >>> 1) & 0x55555555)
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333)
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
