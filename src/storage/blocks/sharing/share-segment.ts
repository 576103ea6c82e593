/** The beginning of sharing: a store on the same disk gets a second name of a segment file, instead of a copy. */
import type { SegmentFiles, SharedPlaces } from '../../segments/index.js'
import { sameLocation, type StoreIndex } from '../store-index.js'

/**
 * See `BlockStore.share`. A block that the index has at its place is intact there: only bytes that the index dropped
 * are punched, and none are once there is a second name. The check and the name are one step of this thread, which is
 * the one that punches.
 */
export async function shareSegment(
  { segment, path, blocks }: SharedPlaces,
  { index, files }: { readonly index: StoreIndex; readonly files: SegmentFiles },
): Promise<boolean[]> {
  const isSound = await index.settle(segment)
  const isThere = blocks.map(({ digest, place }) => {
    const now = index.rows.get(digest)?.location
    return now !== undefined && place.segment === segment && sameLocation(now, place)
  })
  if (!isSound || !isThere.includes(true) || !files.share(segment, path)) return blocks.map(() => false)
  index.ledger.setShared(segment, true)
  return isThere
}
