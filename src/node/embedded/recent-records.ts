/**
 * What changed since the sorted file of a block index was written: bounded, in memory, found by digest and walked in
 * its order.
 */
import { hex, type Digest } from '../../base/index.js'
import type { BlockRecord } from './block-record.js'
import type { BlockLocation } from '../../storage/segments/index.js'
import { compare } from './sorted-records.js'

export type RecentBlock = readonly [digest: Digest, location: BlockLocation]

export class RecentRecords {
  /** By the first byte of the digest, so that a page of the sorted file meets few of them. */
  readonly #buckets = Array.from({ length: 256 }, () => new Map<string, BlockRecord>())
  #size = 0

  get size(): number {
    return this.#size
  }

  /** @returns the last record of that block, also when it says that the block is forgotten */
  get(digest: Digest): BlockRecord | undefined {
    return this.#size === 0 ? undefined : this.#buckets[digest[0]!]!.get(hex(digest))
  }

  set(record: BlockRecord): void {
    const bucket = this.#buckets[record.digest[0]!]!
    const before = bucket.size
    bucket.set(hex(record.digest), record)
    this.#size += bucket.size - before
  }

  clear(): void {
    for (const bucket of this.#buckets) bucket.clear()
    this.#size = 0
  }

  *all(): Generator<BlockRecord> {
    for (const bucket of this.#buckets) yield* bucket.values()
  }

  /**
   * @param sorted records of the sorted file, all there are in the range
   * @param after the range begins behind it; undefined: at the first digest
   * @param upTo its last digest; undefined: to the end
   * @returns the blocks of the range as they are now, in order
   */
  merge(sorted: readonly BlockRecord[], after: Digest | undefined, upTo: Digest | undefined): RecentBlock[] {
    const isInside = ({ digest }: BlockRecord): boolean =>
      (after === undefined || compare(digest, after) > 0) && (upTo === undefined || compare(digest, upTo) <= 0)
    const kept = sorted.filter((record) => isInside(record) && this.get(record.digest) === undefined)
    const first = after?.[0] ?? 0
    const last = upTo?.[0] ?? 255
    const changed = this.#buckets.slice(first, last + 1).flatMap((bucket) => [...bucket.values()].filter(isInside))
    return [...kept, ...changed]
      .flatMap(({ digest, location }): RecentBlock[] => (location === undefined ? [] : [[digest, location]]))
      .sort(([a], [b]) => compare(a, b))
  }
}
