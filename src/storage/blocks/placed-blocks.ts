/**
 * Sealed blocks read by a thread that does not own the store, at places the owner told it. The owner moves blocks and
 * gives space back meanwhile, so bytes count only when their digest is the block's: where they do not, the place is
 * old, and the caller asks again.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { equalBytes, type Digest } from '../../base/index.js'
import { RANDOM_NAMES, SegmentFiles, type BlockLocation } from '../segments/index.js'

/** A block, and where it was a moment ago. */
export interface PlacedBlock {
  readonly digest: Digest
  readonly place: BlockLocation
}

export interface PlacedBlocks {
  /** The file of a segment. */
  pathOf(segment: number): string
  /** The sealed bytes; undefined when they are not at that place any more. */
  read(block: PlacedBlock): Promise<Uint8Array | undefined>
  /** Closes the files; they are opened again when needed. A removed segment takes space as long as it is open. */
  rest(): void
}

/** @param directory as in `BlockStoreOptions`; it is only read */
export function openPlacedBlocks(directory: string): PlacedBlocks {
  const segmentDirectory = join(directory, 'segments')
  const open = (): SegmentFiles => new SegmentFiles(segmentDirectory, undefined, RANDOM_NAMES, 'read')
  let files: SegmentFiles | undefined
  return {
    pathOf: (segment) => RANDOM_NAMES.pathOf(segmentDirectory, segment),
    async read({ digest, place }) {
      const bytes = await (files ??= open()).read(place)
      return bytes !== undefined && equalBytes(createHash('sha256').update(bytes).digest(), digest) ? bytes : undefined
    },
    rest() {
      files?.close()
      files = undefined
    },
  }
}
