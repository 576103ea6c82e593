/** What opening the block store does about the traces of a crash. Runs while no segment writer is at work. */
import { readdir, stat, truncate, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../base/index.js'
import type { BlockRows } from './block-rows.js'
import type { SegmentLedger } from './segment-ledger.js'
import { segmentOfName, segmentPath } from './segment-writer.js'

/**
 * Removes segments that hold no indexed block, cuts bytes behind the last indexed one, and forgets blocks whose segment
 * is missing (which only damage from outside can cause; it is logged as an error).
 */
export async function recoverSegments(
  directory: string,
  rows: BlockRows,
  ledger: SegmentLedger,
  log: Log,
): Promise<void> {
  const present = new Set<number>()
  for (const name of await readdir(directory)) {
    const segment = segmentOfName(name)
    if (segment === undefined) continue
    if (ledger.endOf(segment) === 0 || ledger.empty.has(segment)) await unlink(join(directory, name))
    else present.add(segment)
  }
  for (const segment of ledger.empty) ledger.forget(segment)

  const missing = new Set<number>()
  for (const segment of ledger.segments) {
    if (!present.has(segment)) missing.add(segment)
    else await settle(segmentPath(directory, segment), segment, ledger, log)
  }
  if (missing.size > 0) forgetBlocks(missing, rows, ledger, log)
}

async function settle(path: string, segment: number, ledger: SegmentLedger, log: Log): Promise<void> {
  const { size, blocks } = await stat(path)
  const end = ledger.endOf(segment)
  if (size > end) await truncate(path, end)
  if (size < end) log.error('a block segment is shorter than its index says', { segment, size, end })
  // Holes may have been punched after the last commit of the accounts, or not punched after it.
  ledger.measured(segment, Math.min(blocks * 512, end))
}

function forgetBlocks(missing: ReadonlySet<number>, rows: BlockRows, ledger: SegmentLedger, log: Log): void {
  const lost = [...rows.all()].filter(([, row]) => missing.has(row.location.segment))
  for (const [digest, row] of lost) rows.remove(digest, row)
  for (const segment of missing) ledger.forget(segment)
  const onlyCopies = lost.filter(([, row]) => row.tick === 0).length
  log.error('block segments are missing', { segments: missing.size, blocks: lost.length, onlyCopies })
}
