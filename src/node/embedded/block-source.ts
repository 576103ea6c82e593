/**
 * Reads the blocks of a store from their segments and checks them. A damaged block counts as absent from then on, so an
 * import replaces it.
 */
import { DriveError, hex, type Digest } from '../../base/index.js'
import { cidOf, type Cid } from '../../dag/index.js'
import { matches } from '../verify-block.js'
import type { OpenStore } from './open-store.js'
import type { WalkSource } from './walk.js'

/** Maximum number of reads of a block that is moved meanwhile. */
const MOST_TRIES = 3

export class BlockSource implements WalkSource {
  readonly #index: OpenStore['index']
  readonly #segments: OpenStore['segments']
  readonly #damaged = new Set<string>()

  constructor(index: OpenStore['index'], segments: OpenStore['segments']) {
    this.#index = index
    this.#segments = segments
  }

  has(cid: Cid): boolean {
    return this.holds(cid.digest)
  }

  /** Whether the index has a place inside an existing segment, and no damage was found there. */
  holds(digest: Digest): boolean {
    const location = this.#index.locate(digest)
    if (location === undefined || !this.#segments.has(location)) return false
    return this.#damaged.size === 0 || !this.#damaged.has(hex(digest))
  }

  /** These blocks were rewritten. */
  stored(digests: readonly Digest[]): void {
    for (const digest of digests) this.#damaged.delete(hex(digest))
  }

  /** Throws NOT_FOUND, WRONG_BLOCK. */
  async read({ digest, codec }: Cid): Promise<Uint8Array> {
    const about = { cid: cidOf(digest, codec) }
    for (let location = this.#index.locate(digest), tries = 0; ; tries++) {
      if (location === undefined) throw new DriveError('NOT_FOUND', 'The node does not have that block.', { about })
      const bytes = await this.#segments.read(location).catch((error: unknown) => {
        const moved = this.#index.locate(digest)
        if (tries < MOST_TRIES && moved !== undefined && moved.segment !== location?.segment) return undefined
        throw error
      })
      if (bytes !== undefined && bytes.byteLength === location.length && matches(bytes, digest)) return bytes
      const now = this.#index.locate(digest)
      const wasMoved = now?.segment !== location.segment || now.offset !== location.offset
      if (!wasMoved || tries >= MOST_TRIES) break
      location = now
    }
    this.#damaged.add(hex(digest))
    const message = "The store's copy of a block is damaged. It must be uploaded again."
    throw new DriveError('WRONG_BLOCK', message, { about })
  }
}
