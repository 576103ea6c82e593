/** Eviction, in rounds. Candidates come only from the evictable table, so an only copy cannot be among them. */
import type { Digest } from '../../base/index.js'
import type { SegmentFiles } from '../segments/index.js'
import type { OwnSegment } from './own-segment.js'
import type { StoreIndex } from './store-index.js'

/** The parts of a store that eviction uses. */
export interface EvictParts {
  readonly index: StoreIndex
  readonly files: SegmentFiles
  readonly own: OwnSegment
}

interface Victims {
  readonly victims: Digest[]
  /** Blocks of shared segments, which are now at the end of the queue: giving them up frees nothing. */
  readonly passed: number
}

/** The most blocks evicted by one commit. */
const ROUND = 512

/**
 * Evicts until the store has at most `bytes`, or nothing more can be evicted.
 *
 * @returns the number of freed bytes
 */
export async function evict({ index, files, own }: EvictParts, bytes: number): Promise<number> {
  const { ledger } = index
  const before = ledger.usage.usedBytes
  index.recent.apply(Infinity)
  if (!files.canPunch) own.finish()
  // Each shared block is passed once.
  for (let left = ledger.usage.blocks; left >= 0;) {
    const excess = ledger.usage.usedBytes - bytes
    if (excess <= 0 || ledger.usage.evictableBytes <= 0) break
    const { victims, passed } = files.canPunch ? oldestBlocks(index, excess) : oldestSegments(index, excess)
    if (victims.length + passed === 0) break
    left -= passed
    index.discard(victims)
    await index.commit()
  }
  return Math.max(0, before - ledger.usage.usedBytes)
}

/**
 * The least recently used blocks with a total of `bytes`, or as many as fit one round; for disks that can punch holes.
 */
function oldestBlocks({ rows, ledger }: StoreIndex, bytes: number): Victims {
  const victims: Digest[] = []
  const shared: Digest[] = []
  let left = bytes
  for (const { digest, row } of rows.evictable(ROUND)) {
    if (left <= 0) break
    if (ledger.shared.has(row.location.segment)) shared.push(Uint8Array.from(digest))
    else {
      victims.push(digest)
      left -= row.location.length
    }
  }
  for (const digest of shared) rows.offer(digest, rows.get(digest)!)
  return { victims, passed: shared.length }
}

/**
 * All blocks of whole segments, the least recently used first, with a total of `bytes`. If holes cannot be punched,
 * only removing a segment frees space, so a segment with an only copy stays.
 */
function oldestSegments({ rows, ledger, dead }: StoreIndex, bytes: number): Victims {
  const inSegments = new Map<number, Digest[]>()
  for (const { digest, row } of rows.evictable(Infinity)) {
    const { segment } = row.location
    const list = inSegments.get(segment)
    if (list !== undefined) list.push(digest)
    else if (ledger.shared.has(segment)) continue
    else if (ledger.isAllEvictable(segment) && dead.isSettled(segment)) inSegments.set(segment, [digest])
  }
  const victims: Digest[] = []
  let left = bytes
  for (const [segment, digests] of inSegments) {
    if (left <= 0) break
    victims.push(...digests)
    left -= ledger.bytesOf(segment)
  }
  return { victims, passed: 0 }
}
