/**
 * The changes since the sorted file of a block index was written. Bounded, in memory, found by digest and iterated in
 * digest order.
 */
import { hex, type Digest } from '../../base/index.js'
import type { BlockRecord } from './block-record.js'
import type { BlockLocation } from '../../storage/segments/index.js'
import { compare } from './sorted-records.js'

export type RecentBlock = readonly [digest: Digest, location: BlockLocation]

export class RecentRecords {
  /** Grouped by the first byte of the digest, so few records are compared with a page of the sorted file. */
  readonly #buckets = Array.from({ length: 256 }, () => new Map<string, BlockRecord>())
  #size = 0

  get size(): number {
    return this.#size
  }

  /** @returns the latest record of that block, also if that record deletes it */
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
   * @param sorted all records of the sorted file in the range
   * @param after the range begins after it; undefined: at the first digest
   * @param upTo the last digest of the range; undefined: to the end
   * @returns the current blocks of the range, in order
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
