/**
 * Takes blocks from the block cache without a copy: the store of the drive gets a second name of the cache's segment
 * file, if both are on one disk. The cache gives a name only while it has the block at the place where it was read.
 */
import { stat } from 'node:fs/promises'
import { MIB } from '../../../base/index.js'
import { parseCid } from '../../../dag/index.js'
import type { CacheFiles, NodeBlock } from '../../contract.js'
import type { BlockLocation, GrowingSegments, SharedPlaces } from '../../../storage/segments/index.js'

/** A drive with many small segments merges them, so those are copied. */
const LEAST_SHARED_BYTES = 2 * MIB

/** One for each store. */
export class BlockSharing {
  readonly #segments: GrowingSegments
  readonly #mostBytes: number
  #turn: Promise<unknown> = Promise.resolve()

  /** @param mostBytes longer segments are copied: rewriting one needs as much space, and a small disk may lack it */
  constructor(segments: GrowingSegments, mostBytes: number) {
    this.#segments = segments
    this.#mostBytes = mostBytes
  }

  /** @returns a location for each block that is shared now; it is durable after `GrowingSegments.sync` */
  share(blocks: readonly NodeBlock[], cache: CacheFiles): Promise<(BlockLocation | undefined)[]> {
    const done = this.#turn.then(() => this.#share(blocks, cache))
    this.#turn = done.catch(() => undefined) // the caller gets the failure
    return done
  }

  async #share(blocks: readonly NodeBlock[], cache: CacheFiles): Promise<(BlockLocation | undefined)[]> {
    const locations: (BlockLocation | undefined)[] = blocks.map(() => undefined)
    for (const [from, indexes] of bySegment(blocks)) {
      const file = await stat(cache.pathOf(from)).catch(() => undefined) // given up meanwhile
      if (file === undefined || file.size < LEAST_SHARED_BYTES || file.size > this.#mostBytes) continue
      const name = this.#segments.sharedNameOf(file)
      if (name === undefined) continue
      const { segment, path } = name
      const wanted: SharedPlaces = {
        segment: from,
        path,
        blocks: indexes.map((i) => ({ digest: parseCid(blocks[i]!.cid).digest, place: blocks[i]!.place! })),
      }
      const answers = await cache.share(wanted)
      if (!answers.includes(true)) continue
      await this.#segments.addShared(segment)
      indexes.forEach((i, at) => {
        const place = { ...blocks[i]!.place!, segment }
        if (answers[at] === true && this.#segments.has(place)) locations[i] = place
      })
    }
    return locations
  }
}

/** The indexes of the blocks of each segment of the cache. */
function bySegment(blocks: readonly NodeBlock[]): Map<number, number[]> {
  const found = new Map<number, number[]>()
  blocks.forEach(({ place, bytes }, i) => {
    if (place === undefined || place.length !== bytes.byteLength) return
    const indexes = found.get(place.segment)
    if (indexes === undefined) found.set(place.segment, [i])
    else indexes.push(i)
  })
  return found
}
