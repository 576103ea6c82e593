/**
 * Sealed blocks of this machine for the thread that builds and uploads: it asks the drive thread where they are, many
 * at once, and reads them itself. A place may be old by the time it is read; then it is asked again.
 */
import { hex, type Digest } from '../../base/index.js'
import type { CacheFiles } from '../../node/index.js'
import type { PlacedBlocks } from '../../storage/blocks/index.js'
import type { BlockPlace, DrivePort } from '../../tree-state/index.js'

/** Where blocks were when they were asked about, by their digests in hexadecimal. */
export type KnownPlaces = ReadonlyMap<string, BlockPlace>

/** What building and uploading need of the blocks here. */
export type LocalBlockReader = Pick<LocalBlocks, 'places' | 'read' | 'rest'> & Partial<Pick<LocalBlocks, 'cache'>>

/** A block that is somewhere else each time it is read is looked for so often. */
const MOST_TRIES = 4

export class LocalBlocks {
  constructor(
    private readonly port: Pick<DrivePort, 'placesOf'> & Partial<Pick<DrivePort, 'shareSegment'>>,
    private readonly placed: PlacedBlocks,
  ) {}

  /** The files that the blocks are in, for a store on the same disk. */
  get cache(): CacheFiles {
    return {
      pathOf: (segment) => this.placed.pathOf(segment),
      share: async (wanted) => (await this.port.shareSegment?.(wanted)) ?? [],
    }
  }

  /** One question for many blocks, which `read` then needs not ask. */
  async places(digests: readonly Digest[]): Promise<KnownPlaces> {
    const found = digests.length === 0 ? [] : await this.port.placesOf(digests)
    const places = new Map<string, BlockPlace>()
    digests.forEach((digest, i) => {
      const place = found[i]
      if (place !== undefined) places.set(hex(digest), place)
    })
    return places
  }

  /**
   * Sealed bytes in the order asked, each checked against its digest. Undefined: not on this machine, or damaged there.
   * @param known asked by default
   */
  async read(digests: readonly Digest[], known?: KnownPlaces): Promise<(Uint8Array | undefined)[]> {
    const found: (Uint8Array | undefined)[] = digests.map(() => undefined)
    let missing = digests.map((digest, index) => ({ digest, index, name: hex(digest) }))
    let places = known
    for (let tries = 0; tries < MOST_TRIES && missing.length > 0; tries++) {
      const isFresh = places === undefined || tries > 0
      places = isFresh ? await this.places(missing.map(({ digest }) => digest)) : places!
      const now = places
      const read = async ({ digest, index, name }: (typeof missing)[number]): Promise<void> => {
        const place = now.get(name)
        if (place !== undefined) found[index] = await this.placed.read({ digest, place })
      }
      await Promise.all(missing.map(read))
      // What has no place now is not here.
      missing = missing.filter(({ index, name }) => found[index] === undefined && (!isFresh || now.has(name)))
    }
    return found
  }

  /** Nothing is read for now: no file stays open. */
  rest(): void {
    this.placed.rest()
  }
}
