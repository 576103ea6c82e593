/**
 * The end of sharing: the node's store removes its name of a segment file when it collects garbage, and all of them
 * when it is removed. From then on the bytes count as the cache's again. Dead ones, which could not be punched, are
 * freed.
 */
import { lstat } from 'node:fs/promises'
import { RANDOM_NAMES, type BlockLocation, type SegmentFiles } from '../../segments/index.js'
import { digestsIn } from '../digests-in.js'
import { punchBetween } from '../punch-between.js'
import type { StoreIndex } from '../store-index.js'

interface RecountParts {
  readonly index: StoreIndex
  readonly files: SegmentFiles
  readonly segmentDirectory: string
}

/** @param segments shared ones, to be looked at */
export async function recountShared(segments: readonly number[], parts: RecountParts): Promise<void> {
  const { ledger } = parts.index
  const own = new Set<number>()
  for (const segment of segments) {
    const found = await lstat(RANDOM_NAMES.pathOf(parts.segmentDirectory, segment)).catch(() => undefined)
    if (found === undefined || found.nlink > 1 || !ledger.shared.has(segment)) continue
    ledger.setShared(segment, false)
    own.add(segment)
  }
  if (own.size > 0 && parts.files.canPunch) await freeDead(own, parts)
}

async function freeDead(
  segments: ReadonlySet<number>,
  { index, files, segmentDirectory }: RecountParts,
): Promise<void> {
  const { rows, ledger, dead } = index
  // No block is added to a settled segment, so those that it has now are all that it will have.
  const settled = new Set([...segments].filter((segment) => ledger.deadIn(segment) > 0 && dead.isSettled(segment)))
  if (settled.size === 0) return
  const living = new Map<number, BlockLocation[]>([...settled].map((segment) => [segment, []]))
  for (const digest of await digestsIn(settled, rows)) {
    const location = rows.get(digest)?.location
    if (location !== undefined) living.get(location.segment)?.push(location)
  }
  // The ledger counts blocks on its own; where the two disagree, nothing is freed.
  for (const [segment, locations] of living) {
    const bytes = locations.reduce((sum, { length }) => sum + length, 0)
    if (bytes !== ledger.bytesOf(segment) - ledger.deadIn(segment)) living.delete(segment)
  }
  // The durable index refers to none but these from here on.
  await index.commit()
  for (const [segment, locations] of living) {
    // It may have been removed, or shared again, meanwhile.
    if (!ledger.knows(segment) || ledger.shared.has(segment)) continue
    punchBetween(locations, segment, ledger.endOf(segment), files)
    const found = await lstat(RANDOM_NAMES.pathOf(segmentDirectory, segment)).catch(() => undefined)
    if (found !== undefined && ledger.knows(segment))
      ledger.measured(segment, Math.min(found.blocks * 512, ledger.endOf(segment)))
  }
}
