/**
 * A set of block numbers that finds the next block of the set, or the next gap. Bits lie in chunks of 4,096 blocks; an
 * empty or full chunk takes no memory except its entry. Pure.
 */

const WORDS = 128
const CHUNK_BLOCKS = WORDS * 32

interface Chunk {
  /** Undefined when every block is in the set. */
  bits: Uint32Array | undefined
  count: number
}

export class BlockBitmap {
  readonly #chunks = new Map<number, Chunk>()
  /** The sorted keys of the map; undefined after a key was added or removed. */
  #keys: number[] | undefined
  #count = 0

  /** Number of blocks in the set. */
  get count(): number {
    return this.#count
  }

  /** Adds the blocks `from … to`. */
  add(from: number, to: number): void {
    for (let at = from; at < to;) {
      const key = Math.floor(at / CHUNK_BLOCKS)
      const end = Math.min(to, (key + 1) * CHUNK_BLOCKS)
      let chunk = this.#chunks.get(key)
      if (chunk === undefined) {
        chunk = { bits: new Uint32Array(end - at === CHUNK_BLOCKS ? 0 : WORDS), count: 0 }
        this.#chunks.set(key, chunk)
        this.#keys = undefined
      }
      this.#addTo(chunk, at - key * CHUNK_BLOCKS, end - key * CHUNK_BLOCKS)
      at = end
    }
  }

  /** Removes the blocks `from … to`; `to` may be Infinity. */
  remove(from: number, to: number): void {
    const keys = this.#sortedKeys()
    const last = Math.floor((to - 1) / CHUNK_BLOCKS)
    for (let i = firstAtLeast(keys, Math.floor(from / CHUNK_BLOCKS)); i < keys.length && keys[i]! <= last; i++) {
      const base = keys[i]! * CHUNK_BLOCKS
      this.#removeFrom(keys[i]!, Math.max(0, from - base), Math.min(CHUNK_BLOCKS, to - base))
    }
  }

  has(block: number): boolean {
    const chunk = this.#chunks.get(Math.floor(block / CHUNK_BLOCKS))
    if (chunk === undefined) return false
    const at = block % CHUNK_BLOCKS
    return chunk.bits === undefined || (chunk.bits[at >>> 5]! & (1 << (at & 31))) !== 0
  }

  /** The first block of the set at or after `block`, or undefined. */
  nextIn(block: number): number | undefined {
    const keys = this.#sortedKeys()
    const key = Math.floor(block / CHUNK_BLOCKS)
    for (let i = firstAtLeast(keys, key); i < keys.length; i++) {
      const { bits } = this.#chunks.get(keys[i]!)!
      const base = keys[i]! * CHUNK_BLOCKS
      const start = keys[i] === key ? block - base : 0
      const found = bits === undefined ? start : nextBit(bits, start, 0)
      if (found < CHUNK_BLOCKS) return base + found
    }
    return undefined
  }

  /** The first block at or after `block` that is not in the set. */
  nextOut(block: number): number {
    for (let at = block; ;) {
      const key = Math.floor(at / CHUNK_BLOCKS)
      const chunk = this.#chunks.get(key)
      if (chunk === undefined) return at
      const base = key * CHUNK_BLOCKS
      const found = chunk.bits === undefined ? CHUNK_BLOCKS : nextBit(chunk.bits, at - base, ~0)
      if (found < CHUNK_BLOCKS) return base + found
      at = base + CHUNK_BLOCKS
    }
  }

  #addTo(chunk: Chunk, from: number, to: number): void {
    if (chunk.bits === undefined) return
    const before = chunk.count
    if (to - from === CHUNK_BLOCKS) chunk.count = CHUNK_BLOCKS
    else chunk.count += fill(chunk.bits, from, to, true)
    this.#count += chunk.count - before
    if (chunk.count === CHUNK_BLOCKS) chunk.bits = undefined
  }

  #removeFrom(key: number, from: number, to: number): void {
    const chunk = this.#chunks.get(key)!
    if (from === 0 && to === CHUNK_BLOCKS) {
      this.#count -= chunk.count
      chunk.count = 0
    } else {
      chunk.bits ??= new Uint32Array(WORDS).fill(0xffffffff)
      const gone = fill(chunk.bits, from, to, false)
      chunk.count -= gone
      this.#count -= gone
    }
    if (chunk.count > 0) return
    this.#chunks.delete(key)
    this.#keys = undefined
  }

  #sortedKeys(): readonly number[] {
    this.#keys ??= [...this.#chunks.keys()].sort((a, b) => a - b)
    return this.#keys
  }
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
