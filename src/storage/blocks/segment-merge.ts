/**
 * Copies the blocks of many small segments into a few large ones, because every pause of a pipeline thread ends its
 * segment. The order is that of any write: sync the new bytes, commit the index, free the old bytes.
 */
import type { Digest } from '../../base/index.js'
import type { BlockRow, BlockRows } from './block-rows.js'
import { digestsIn } from './digests-in.js'
import type { BlockLocation, SegmentFiles } from '../segments/index.js'
import type { SegmentLedger } from './segment-ledger.js'

const MIB = 1024 * 1024
const SMALL_BYTES = 2 * MIB
/** Fewer small segments than this are not merged. */
const MANY = 128
/** The most bytes copied in one run, and in one commit of it. */
const RUN_BYTES = 64 * MIB
const BATCH_BYTES = 4 * MIB

export interface MergeParts {
  readonly rows: BlockRows
  readonly ledger: SegmentLedger
  readonly files: SegmentFiles
  /** Appends to a new segment. */
  append(bytes: Uint8Array, lengths: readonly number[]): BlockLocation[]
  /** The block has moved; its old bytes are dead. */
  moved(digest: Digest, from: BlockLocation, to: BlockLocation): void
  commit(): Promise<void>
  /** True when the store is closing. */
  stopped(): boolean
}

/** @returns the number of moved blocks */
export async function mergeSmallSegments(parts: MergeParts): Promise<number> {
  const chosen = chooseSegments(parts.ledger)
  if (chosen.size === 0) return 0
  const digests = await digestsIn(chosen, parts.rows)
  let count = 0
  let batch: Copy[] = []
  let bytes = 0
  for (const digest of digests) {
    if (parts.stopped()) return count
    const row = parts.rows.get(digest)
    if (row === undefined || !chosen.has(row.location.segment)) continue
    const read = await parts.files.read(row.location)
    if (read === undefined) continue
    batch.push({ digest, row, bytes: read })
    bytes += read.length
    if (bytes < BATCH_BYTES) continue
    count += await move(batch, parts)
    batch = []
    bytes = 0
  }
  return count + (await move(batch, parts))
}

interface Copy {
  readonly digest: Digest
  readonly row: BlockRow
  readonly bytes: Uint8Array
}

function chooseSegments(ledger: SegmentLedger): Set<number> {
  // A copy of a shared segment would take space that the segment does not.
  const isSmall = (segment: number): boolean => ledger.bytesOf(segment) < SMALL_BYTES && !ledger.shared.has(segment)
  const small = [...ledger.segments].filter((segment) => ledger.isOld(segment) && isSmall(segment))
  if (small.length < MANY) return new Set()
  let left = RUN_BYTES
  return new Set(
    small
      .sort((a, b) => ledger.bytesOf(a) - ledger.bytesOf(b))
      .filter((segment) => (left -= ledger.bytesOf(segment)) > 0),
  )
}

async function move(batch: readonly Copy[], parts: MergeParts): Promise<number> {
  // skips blocks that were removed or moved during the read; there is no await from here to the index
  const current = batch.filter(({ digest, row }) => {
    const now = parts.rows.get(digest)?.location
    return now?.segment === row.location.segment && now.offset === row.location.offset
  })
  if (current.length === 0) return 0
  const locations = parts.append(
    Buffer.concat(current.map(({ bytes }) => bytes)),
    current.map(({ bytes }) => bytes.length),
  )
  current.forEach(({ digest, row }, i) => parts.moved(digest, row.location, locations[i]!))
  await parts.commit()
  return current.length
}
