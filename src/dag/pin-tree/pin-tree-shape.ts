/** The place of a digest in the pin tree: a trie by digest bits whose leaf nodes all have the same depth. */
import type { Digest } from '../../base/index.js'

/** Prefix bits between an interior node and its children. The root takes the remaining bits. */
const STEP_BITS = 7
/** A new pin tree has on average at most this many links per leaf node, and more than half of it. */
const MOST_LINKS_WHEN_NEW = 192
/** An existing depth is kept while the average stays between these two, so the depth does not flap. */
const LEAST_LINKS_KEPT = 64
const MOST_LINKS_KEPT = 256
/** Prefixes are numbers of at most 30 bits: a hundred thousand million blocks. */
const MAX_BITS = 30

/**
 * The digests that begin with the `bits` bits of `prefix`, as a byte range. `end` is exclusive, and absent for the last
 * prefix.
 */
export interface PrefixRange {
  readonly start: Uint8Array
  readonly end: Uint8Array | undefined
}

/** Prefix length of the leaf nodes for `count` digests, given the previous pin tree's prefix length. */
export function leafBits(count: number, previousBits: number | undefined): number {
  if (previousBits !== undefined) {
    const average = count / 2 ** previousBits
    if (average <= MOST_LINKS_KEPT && (average >= LEAST_LINKS_KEPT || previousBits === 0)) return previousBits
  }
  let bits = 0
  while (bits < MAX_BITS && count / 2 ** bits > MOST_LINKS_WHEN_NEW) bits++
  return bits
}

/** Prefix lengths of all levels, from the root (0) to the leaf nodes. */
export function levelsOf(bits: number): number[] {
  const levels: number[] = []
  for (let at = bits; at > 0; at -= STEP_BITS) levels.unshift(at)
  return [0, ...levels]
}

/** The inverse of `levelsOf` for a reader: takes the depth in nodes and the number of the root's children. */
export function bitsOf(depth: number, rootChildren: number): number {
  if (depth <= 1) return 0
  return Math.ceil(Math.log2(Math.max(rootChildren, 2))) + (depth - 2) * STEP_BITS
}

/** The greatest depth of a pin tree, in nodes from root to leaf. */
export const MAX_PIN_TREE_DEPTH = levelsOf(MAX_BITS).length

export function prefixOf(digest: Digest, bits: number): number {
  if (bits === 0) return 0
  const head = ((digest[0]! << 24) | (digest[1]! << 16) | (digest[2]! << 8) | digest[3]!) >>> 0
  return head >>> (32 - bits)
}

export function rangeOf(bits: number, prefix: number): PrefixRange {
  const bound = (value: number): Uint8Array => {
    const bytes = Buffer.alloc(32)
    bytes.writeUInt32BE(value * 2 ** (32 - bits))
    return bytes
  }
  return { start: bound(prefix), end: prefix + 1 === 2 ** bits ? undefined : bound(prefix + 1) }
}
