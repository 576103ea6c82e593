/**
 * Cuts work on a range of a file into steps with a bounded number of rows (chunks and staged pages). Rows are counted,
 * not bytes: a range without rows costs nothing, whatever its length.
 */
import { GIB } from '../../base/index.js'
import { PAGE_BYTES, rowsBetween, secondOf } from '../../tree-state/index.js'
import type { Table } from '../../storage/kv/index.js'
import { Wait } from '../maybe.js'

/** The tables that hold the rows of a file. */
export interface StepParts {
  readonly state: { readonly tables: { readonly chunks: Pick<Table, 'keys'>; readonly pages: Pick<Table, 'keys'> } }
}

/** Rows changed in one turn of the event loop. */
const ROWS_A_STEP = 2048
/** A shorter range has few rows: it is not counted. */
const LEAST_BYTES = ROWS_A_STEP * PAGE_BYTES
/** A step with fewer rows is made longer, unless it reaches the end of the work. */
const LEAST_ROWS = ROWS_A_STEP / 8

/**
 * The next size on the way from the inode's size down to `size`: at most `ROWS_A_STEP` rows start at or after it.
 */
export function shrinkStep(parts: StepParts, inode: { ino: number; size: number }, size: number): number {
  const rowsFrom = (at: number): number => countRows(parts, inode.ino, at)
  if (inode.size - size <= LEAST_BYTES || rowsFrom(size) <= ROWS_A_STEP) return size
  /** Few rows start at or after `high`, too many at or after `low`. */
  let high = inode.size
  let low = size
  for (let step = GIB; inode.size - step > size; step *= 2) {
    const rows = rowsFrom(inode.size - step)
    if (rows > ROWS_A_STEP) {
      low = inode.size - step
      break
    }
    high = inode.size - step
    if (rows >= LEAST_ROWS) return high
  }
  while (high - low > 1) {
    const middle = low + Math.floor((high - low) / 2)
    const rows = rowsFrom(middle)
    if (rows > ROWS_A_STEP) low = middle
    else {
      high = middle
      if (rows >= LEAST_ROWS) break
    }
  }
  return high
}

/** The end of the next step of work on the bytes `from … to`, in ascending order. Whole rows start in the step. */
export function stepEnd({ state }: StepParts, ino: number, from: number, to: number): number {
  const { chunks, pages } = state.tables
  if (to - from <= LEAST_BYTES) return to
  const limit = ROWS_A_STEP
  const chunk = lastOf(chunks.keys({ ...rowsBetween(ino, from, to), limit }))
  const page = lastOf(
    pages.keys({ ...rowsBetween(ino, Math.floor(from / PAGE_BYTES), Math.ceil(to / PAGE_BYTES)), limit }),
  )
  return Math.min(to, chunk ?? to, page === undefined ? to : page * PAGE_BYTES)
}

/** Lets other requests go first. */
export function nextTurn(): Wait {
  return new Wait(new Promise<void>((resolve) => setImmediate(resolve)))
}

/** Rows that start at or after `from`; counting ends soon after `ROWS_A_STEP`. */
function countRows({ state }: StepParts, ino: number, from: number): number {
  const limit = ROWS_A_STEP + 1
  const chunks = count(state.tables.chunks.keys({ ...rowsBetween(ino, from), limit }))
  return chunks + count(state.tables.pages.keys({ ...rowsBetween(ino, Math.ceil(from / PAGE_BYTES)), limit }))
}

function count(keys: Iterable<Uint8Array>): number {
  let found = 0
  for (const _ of keys) found++
  return found
}

/** Where the last of `ROWS_A_STEP` rows starts; undefined when there are fewer. */
function lastOf(keys: Iterable<Uint8Array>): number | undefined {
  let found = 0
  let last: Uint8Array | undefined
  for (const key of keys) {
    found++
    last = key
  }
  return found < ROWS_A_STEP || last === undefined ? undefined : secondOf(last)
}
