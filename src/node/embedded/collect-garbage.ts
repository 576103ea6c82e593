/**
 * Frees what no pin reaches. Index rows of unreachable blocks go first, durably; then segments without live
 * blocks are deleted, and segments with much dead space are rewritten, so that the disk space really comes back.
 */
import { setImmediate } from 'node:timers/promises'
import { DriveError, hex, throwIfAborted, type Digest } from '../../base/index.js'
import type { CallOptions } from '../contract.js'
import { CODEC, cidText, parseCid } from '../cid.js'
import type { BlockIndex } from './block-index.js'
import type { Location, Segments } from './segments.js'
import { findMissing, type WalkSource } from './walk.js'

/** A segment is rewritten when at least this part of it is dead. */
const DEAD_SHARE = 0.2

/** Wasteful segments whose rows are held in memory at a time. */
const SEGMENTS_A_PASS = 32

/** The caller makes sure that nothing is imported or pinned meanwhile. @returns how many blocks went */
export async function collectGarbage(
  index: BlockIndex,
  segments: Segments,
  source: WalkSource,
  options: CallOptions = {},
): Promise<{ removedBlocks: number }> {
  if (index.areRootsIncomplete)
    throw new DriveError('NODE_ERROR', 'Garbage was not collected: damage took the list of what is needed.')
  const live = await reachable(index, source, options.signal)
  let removedBlocks = 0
  for (const page of index.pages()) {
    throwIfAborted(options.signal)
    const forgotten = page.map(([digest]) => digest).filter((digest) => !live.has(hex(digest)))
    if (forgotten.length > 0) await index.commit({ forgotten })
    removedBlocks += forgotten.length
    await setImmediate()
  }
  await freeSegments(index, segments, options.signal)
  return { removedBlocks }
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

async function freeSegments(index: BlockIndex, segments: Segments, signal: AbortSignal | undefined): Promise<void> {
  const liveBytes = new Map<number, number>()
  for (const page of index.pages()) {
    for (const [, { segment, length }] of page) liveBytes.set(segment, (liveBytes.get(segment) ?? 0) + length)
    await setImmediate()
  }
  const wasteful: number[] = []
  for (const [segment, size] of [...segments.sizes]) {
    const live = liveBytes.get(segment) ?? 0
    if (size > 0 && live === 0) await segments.remove(segment)
    else if (size > 0 && 1 - live / size >= DEAD_SHARE) wasteful.push(segment)
  }
  if (wasteful.length > 0) segments.seal()
  for (let at = 0; at < wasteful.length; at += SEGMENTS_A_PASS) {
    const rows = await rowsIn(wasteful.slice(at, at + SEGMENTS_A_PASS), index)
    for (const [segment, moving] of rows) {
      throwIfAborted(signal)
      await rewrite(moving, index, segments)
      await segments.remove(segment)
    }
  }
}

type Row = readonly [Digest, Location]

async function rowsIn(wanted: readonly number[], index: BlockIndex): Promise<Map<number, Row[]>> {
  const rows = new Map<number, Row[]>(wanted.map((segment) => [segment, []]))
  for (const page of index.pages()) {
    for (const row of page) rows.get(row[1].segment)?.push(row)
    await setImmediate()
  }
  return rows
}

/** Copies live blocks to the end of the newest segment. The old copy is valid until the index has moved. */
async function rewrite(rows: readonly Row[], index: BlockIndex, segments: Segments): Promise<void> {
  const inOrder = rows.toSorted(([, a], [, b]) => a.offset - b.offset)
  const moved: Row[] = []
  for (const [digest, location] of inOrder) {
    const [now] = await segments.append([await segments.read(location)])
    moved.push([digest, now!])
  }
  await segments.sync(moved.map(([, location]) => location))
  await index.commit({ blocks: moved })
}
