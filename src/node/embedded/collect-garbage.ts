/**
 * Frees what no pin reaches. Index rows of unreachable blocks go first, durably; then segments without live
 * blocks are deleted, and segments with much dead space are rewritten, so that the disk space really comes back.
 */
import { DriveError, hex, throwIfAborted, type Digest } from '../../base/index.js'
import type { CallOptions } from '../contract.js'
import { CODEC, cidText, parseCid } from '../cid.js'
import type { BlockIndex } from './block-index.js'
import type { Location, Segments } from './segments.js'
import { findMissing, type WalkSource } from './walk.js'

/** A segment is rewritten when at least this part of it is dead. */
const DEAD_SHARE = 0.2
/** Few enough not to hold up the thread. */
const ROWS_A_COMMIT = 10_000

/** The caller makes sure that nothing is imported or pinned meanwhile. @returns how many blocks went */
export async function collectGarbage(
  index: BlockIndex,
  segments: Segments,
  source: WalkSource,
  options: CallOptions = {},
): Promise<{ removedBlocks: number }> {
  const live = await reachable(index, source, options.signal)
  const forgotten: Digest[] = []
  for (const [digest] of index.blocks()) if (!live.has(hex(digest))) forgotten.push(digest)
  for (let at = 0; at < forgotten.length; at += ROWS_A_COMMIT) {
    throwIfAborted(options.signal)
    await index.commit({ forgotten: forgotten.slice(at, at + ROWS_A_COMMIT) })
  }
  await freeSegments(index, segments, options.signal)
  return { removedBlocks: forgotten.length }
}

/** A missing leaf is no reason to stop; a missing forest node is, because nobody knows what lies below it. */
async function reachable(index: BlockIndex, source: WalkSource, signal: AbortSignal | undefined): Promise<Set<string>> {
  const live = new Set<string>()
  const forest: WalkSource = {
    has: (cid) => cid.codec === CODEC.RAW || source.has(cid),
    read: (cid) => source.read(cid),
  }
  for (const pin of index.pins()) {
    const missing = await findMissing(forest, parseCid(pin.cid), { signal, visit: (cid) => live.add(hex(cid.digest)) })
    if (missing === undefined) continue
    throw new DriveError('NODE_ERROR', 'Garbage was not collected: a pinned tree has a missing block.', {
      about: { root: pin.cid, missing: cidText(missing.digest, missing.codec) },
    })
  }
  return live
}

type Row = readonly [Digest, Location]

async function freeSegments(index: BlockIndex, segments: Segments, signal: AbortSignal | undefined): Promise<void> {
  const rows = new Map<number, Row[]>()
  for (const row of index.blocks()) {
    const of = rows.get(row[1].segment)
    if (of === undefined) rows.set(row[1].segment, [row])
    else of.push(row)
  }
  const before = [...segments.sizes].filter(([, size]) => size > 0)
  for (const [segment] of before) if (!rows.has(segment)) await segments.remove(segment)

  const wasteful = before.filter(
    ([segment, size]) => rows.has(segment) && deadShare(rows.get(segment)!, size) >= DEAD_SHARE,
  )
  if (wasteful.length > 0) segments.seal()
  for (const [segment] of wasteful) {
    throwIfAborted(signal)
    await rewrite(rows.get(segment)!, index, segments)
    await segments.remove(segment)
  }
}

function deadShare(rows: readonly Row[], size: number): number {
  const liveBytes = rows.reduce((sum, [, location]) => sum + location.length, 0)
  return 1 - liveBytes / size
}

/** Copies live blocks to the end of the newest segment. The old copy is valid until the index has moved. */
async function rewrite(rows: readonly Row[], index: BlockIndex, segments: Segments): Promise<void> {
  const inOrder = rows.toSorted(([, a], [, b]) => a.offset - b.offset)
  const moved: Row[] = []
  for (const [digest, location] of inOrder) {
    const [now] = await segments.append([await segments.read(location)])
    moved.push([digest, now!])
  }
  await segments.sync()
  await index.commit({ blocks: moved })
}
