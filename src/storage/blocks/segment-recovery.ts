/** Cleans up after a crash when the block store is opened. Runs while no segment writer is active. */
import { lstat, readdir, truncate, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../../base/index.js'
import type { BlockRows } from './block-rows.js'
import type { BlockLocation, SegmentFiles } from '../segments/index.js'
import type { SegmentLedger } from './segment-ledger.js'
import { RANDOM_NAMES } from '../segments/index.js'
import { punchBetween } from './punch-between.js'

/** With at least this many dead bytes in a segment, a sweep pays off. */
const SWEEP_BYTES = 4 * 1024 * 1024

/**
 * Removes segments without indexed blocks, truncates bytes after the last indexed one, and drops blocks whose segment
 * is missing (an error in the log, as only outside damage can cause it). If many dead bytes of a commit were never
 * punched, sweeps for them.
 */
export async function recoverSegments(
  directory: string,
  rows: BlockRows,
  ledger: SegmentLedger,
  files: SegmentFiles,
  log: Log,
): Promise<void> {
  const present = new Set<number>()
  for (const name of await readdir(directory)) {
    const segment = RANDOM_NAMES.numberOf(name)
    if (segment === undefined) continue
    // A link, pipe or directory in the place of a segment is not ours, and stays.
    if (!(await lstat(join(directory, name))).isFile()) continue
    if (ledger.endOf(segment) === 0 || ledger.empty.has(segment)) await unlink(join(directory, name))
    else present.add(segment)
  }
  for (const segment of ledger.empty) ledger.forget(segment)

  const missing = new Set<number>()
  for (const segment of ledger.segments) {
    if (!present.has(segment)) missing.add(segment)
    else await settle(RANDOM_NAMES.pathOf(directory, segment), segment, ledger, log)
  }
  if (missing.size > 0) forgetBlocks(missing, rows, ledger, log)
  if (files.canPunch)
    sweep(new Set([...ledger.segments].filter((segment) => isWorthASweep(segment, ledger))), rows, ledger, files)
}

function isWorthASweep(segment: number, ledger: SegmentLedger): boolean {
  return ledger.deadIn(segment) >= SWEEP_BYTES && !ledger.shared.has(segment)
}

async function settle(path: string, segment: number, ledger: SegmentLedger, log: Log): Promise<void> {
  const { size, blocks, nlink } = await lstat(path)
  const end = ledger.endOf(segment)
  // Another store may have bytes of a shared segment that this index lost in a crash.
  ledger.setShared(segment, nlink > 1)
  if (size > end && nlink === 1) await truncate(path, end)
  if (size < end) log.error('a block segment is shorter than its index says', { segment, size, end })
  // After the last commit of the accounts, holes may or may not have been punched.
  ledger.measured(segment, Math.min(blocks * 512, end))
}

function forgetBlocks(missing: ReadonlySet<number>, rows: BlockRows, ledger: SegmentLedger, log: Log): void {
  const lost = [...rows.all()].filter(([, row]) => missing.has(row.location.segment))
  for (const [digest, row] of lost) rows.remove(digest, row)
  for (const segment of missing) ledger.forget(segment)
  const onlyCopies = lost.filter(([, row]) => row.tick === 0).length
  log.error('block segments are missing', { segments: missing.size, blocks: lost.length, onlyCopies })
}

/** Punches everything between the blocks of these segments. */
function sweep(segments: ReadonlySet<number>, rows: BlockRows, ledger: SegmentLedger, files: SegmentFiles): void {
  if (segments.size === 0) return
  const living = new Map<number, BlockLocation[]>([...segments].map((segment) => [segment, []]))
  for (const [, { location }] of rows.all()) living.get(location.segment)?.push(location)
  for (const [segment, locations] of living) {
    punchBetween(locations, segment, ledger.endOf(segment), files)
    ledger.freed(segment, ledger.deadIn(segment))
  }
}
