/** Remembers recently used blocks in memory, and moves them to the end of the eviction queue now and then. */
import { latin1, type Digest } from '../../base/index.js'
import type { BlockRows } from './block-rows.js'

const MAX_REMEMBERED = 65_536

export class RecentlyUsed {
  /** Least recently used first. */
  readonly #digests = new Set<string>()

  constructor(private readonly rows: BlockRows) {}

  touch(digest: Digest): void {
    const text = latin1(digest)
    this.#digests.delete(text)
    this.#digests.add(text)
    if (this.#digests.size > MAX_REMEMBERED) this.#digests.delete(this.#digests.values().next().value!)
  }

  /** Moves up to `limit` of them to the end of the queue. */
  apply(limit: number): void {
    let left = limit
    for (const text of this.#digests) {
      if (left-- <= 0) return
      this.#digests.delete(text)
      const digest = Buffer.from(text, 'latin1')
      const row = this.rows.get(digest)
      if (row !== undefined && row.tick !== 0) this.rows.offer(digest, row)
    }
  }
}
