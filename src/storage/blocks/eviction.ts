/** Selects the blocks to evict. Candidates come only from the evictable table, so an only copy cannot be among them. */
import type { Digest } from '../../base/index.js'
import type { BlockRows } from './block-rows.js'
import type { DeadBytes } from './dead-bytes.js'
import type { SegmentLedger } from './segment-ledger.js'

/** The most blocks evicted by one commit. */
const ROUND = 512

/**
 * The least recently used blocks with a total of `bytes`, or as many as fit one round; for disks that can punch holes.
 */
export function oldestBlocks(rows: BlockRows, bytes: number): Digest[] {
  const victims: Digest[] = []
  let left = bytes
  for (const { digest, row } of rows.evictable(ROUND)) {
    if (left <= 0) break
    victims.push(digest)
    left -= row.location.length
  }
  return victims
}

/**
 * All blocks of whole segments, the least recently used first, with a total of `bytes`. If holes cannot be punched,
 * only removing a segment frees space, so a segment with an only copy stays.
 */
export function oldestSegments(rows: BlockRows, ledger: SegmentLedger, dead: DeadBytes, bytes: number): Digest[] {
  const inSegments = new Map<number, Digest[]>()
  for (const { digest, row } of rows.evictable(Infinity)) {
    const { segment } = row.location
    const list = inSegments.get(segment)
    if (list !== undefined) list.push(digest)
    else if (ledger.isAllEvictable(segment) && dead.isSettled(segment)) inSegments.set(segment, [digest])
  }
  const victims: Digest[] = []
  let left = bytes
  for (const [segment, digests] of inSegments) {
    if (left <= 0) break
    victims.push(...digests)
    left -= ledger.bytesOf(segment)
  }
  return victims
}
