/**
 * Frees the disk space of blocks that are no longer in the index. Deletes empty segments and rewrites segments with
 * much dead space.
 */
import { setImmediate } from 'node:timers/promises'
import { throwIfAborted, type Digest } from '../../base/index.js'
import type { CallOptions, CollectOptions } from '../contract.js'
import type { BlockIndex } from './block-index.js'
import { FIRST_SHARED, type BlockLocation, type GrowingSegments } from '../../storage/segments/index.js'
import { isFull } from './store-error.js'

/** A segment is rewritten when at least this fraction of it is dead. The second value applies on a full disk. */
const DEAD_SHARE = { usual: 0.2, thorough: 0.05 } as const
/** The block cache keeps a shared segment that is rewritten, so the copy takes space until the cache gives it up. */
const SHARED_DEAD_SHARE = { usual: 0.5, thorough: 0.05 } as const
/** Rows of segments with dead space that are in memory at a time; one segment may have more. */
const ROWS_A_PASS = 20_000

/** This program never writes a segment with more live rows. Reading such rows would fill the memory. */
const MOST_ROWS = 200_000

type Row = readonly [Digest, BlockLocation]

/** No import runs meanwhile. */
export async function freeSegments(
  index: BlockIndex,
  segments: GrowingSegments,
  { signal, isThorough = false }: CallOptions & Pick<CollectOptions, 'isThorough'>,
): Promise<void> {
  const kind = isThorough ? 'thorough' : 'usual'
  const leastDead = (segment: number): number => (segment < FIRST_SHARED ? DEAD_SHARE : SHARED_DEAD_SHARE)[kind]
  const live = new Map<number, { bytes: number; rows: number }>()
  for (const page of index.pages()) {
    for (const [, { segment, length }] of page) {
      if (!segments.sizes.has(segment)) continue
      const { bytes, rows } = live.get(segment) ?? { bytes: 0, rows: 0 }
      live.set(segment, { bytes: bytes + length, rows: rows + 1 })
    }
    await setImmediate()
  }
  const wasteful: Wasteful[] = []
  for (const [segment, size] of [...segments.sizes]) {
    const { bytes, rows } = live.get(segment) ?? { bytes: 0, rows: 0 }
    if (size > 0 && bytes === 0) await segments.remove(segment)
    else if (size > 0 && 1 - bytes / size >= leastDead(segment) && rows <= MOST_ROWS)
      wasteful.push({ segment, rows, bytes })
  }
  if (wasteful.length > 0) segments.seal()
  // Segments with the fewest live bytes first: on a full disk each frees space for the next.
  wasteful.sort((a, b) => a.bytes - b.bytes)
  for (const pass of passes(wasteful)) {
    for (const [segment, moving] of await rowsIn(pass, index)) {
      throwIfAborted(signal)
      if (!(await hasRewritten(moving, index, segments))) return
      await segments.remove(segment)
    }
  }
}

interface Wasteful {
  readonly segment: number
  /** Its live rows and live bytes. */
  readonly rows: number
  readonly bytes: number
}

function* passes(wasteful: readonly Wasteful[]): Generator<number[]> {
  let pass: number[] = []
  let sum = 0
  for (const { segment, rows } of wasteful) {
    if (pass.length > 0 && sum + rows > ROWS_A_PASS) {
      yield pass
      pass = []
      sum = 0
    }
    pass.push(segment)
    sum += rows
  }
  if (pass.length > 0) yield pass
}

async function rowsIn(wanted: readonly number[], index: BlockIndex): Promise<Map<number, Row[]>> {
  const rows = new Map<number, Row[]>(wanted.map((segment) => [segment, []]))
  for (const page of index.pages()) {
    for (const row of page) rows.get(row[1].segment)?.push(row)
    await setImmediate()
  }
  return rows
}

/**
 * Copies live blocks to the end of the newest segment. The old copy is valid until the index has moved.
 * @returns false when there is no space for the copy; then nothing has changed
 */
async function hasRewritten(rows: readonly Row[], index: BlockIndex, segments: GrowingSegments): Promise<boolean> {
  const inOrder = rows.toSorted(([, a], [, b]) => a.offset - b.offset)
  const moved: Row[] = []
  const locations = (): BlockLocation[] => moved.map(([, location]) => location)
  try {
    for (const [digest, location] of inOrder) {
      const bytes = await segments.read(location)
      // Truncated segment: the row names a missing place, so the block counts as missing.
      if (bytes.byteLength !== location.length) continue
      const [now] = await segments.append([bytes])
      moved.push([digest, now!])
    }
    await segments.sync(locations())
    await index.commit({ blocks: moved })
    return true
  } catch (error) {
    await segments.discard(locations())
    if (!isFull(error)) throw error
    return false
  }
}
