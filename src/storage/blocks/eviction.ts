/**
 * Which blocks to evict. Candidates come from the evictable table and from nowhere else, so a block that is only here
 * cannot be among them.
 */
import type { Digest } from '../../base/index.js'
import type { BlockRows } from './block-rows.js'
import type { DeadBytes } from './dead-bytes.js'
import type { SegmentLedger } from './segment-ledger.js'

/** Blocks evicted by one commit, at most. */
const ROUND = 512

/**
 * The least recently used blocks that together have `bytes`, or as many as one round takes; for disks that can punch
 * holes.
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
 * All blocks of whole segments, the longest unused first, that together have `bytes`; where holes cannot be punched,
 * only removing a segment frees space, so blocks beside an only copy stay.
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
