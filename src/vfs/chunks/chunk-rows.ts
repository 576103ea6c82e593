/**
 * The chunk rows of one file, sorted by offset and never overlapping. A file of a terabyte has millions of rows, so
 * only some windows of them are in memory; a window grows where reading continues. Code that changes the table also
 * changes the windows (rows.ts).
 */
import { CHUNK } from '../../pipeline/index.js'
import { pagesOf, type Table } from '../../storage/kv/index.js'
import { decodeChunk, rowsBetween, rowsOf, secondOf, type ChunkRecord } from '../../tree-state/index.js'

/**
 * The longest row, because a block holds no more. So a row that reaches over an offset starts at most this far before
 * it.
 */
export const MOST_ROW_BYTES = CHUNK.MAX
/** Rows read around an offset that no window is near. */
const FIRST_ROWS = 64
/** Rows read at once where reading continues. */
const READ_ROWS = 1024
/** A window with more rows is shrunk. */
const MOST_ROWS = 4096
const MOST_WINDOWS = 16
/** The most rows of all windows together, unless a single window needs more. */
const MOST_KEPT = 2 * MOST_ROWS

type ReadTable = Pick<Table, 'range'>

/** Every row that starts in `start … end`. */
interface Window {
  rows: ChunkRecord[]
  start: number
  end: number
}

export class ChunkRows {
  readonly #table: ReadTable
  readonly #ino: number
  /** The most recently used window comes first. */
  #windows: Window[]

  /** @param isEmpty the table has no row of the file */
  constructor(table: ReadTable, ino: number, isEmpty: boolean) {
    this.#table = table
    this.#ino = ino
    this.#windows = isEmpty ? [{ rows: [], start: 0, end: Infinity }] : []
  }

  get isEmpty(): boolean {
    return this.after(0) === undefined
  }

  /** The rows that end after `from` and start before `to`. The range must be short, because all its rows are read. */
  within(from: number, to: number): readonly ChunkRecord[] {
    if (from >= to) return []
    const { rows } = this.#covering(from, to)
    const first = firstRowAfter(rows, from)
    let last = first
    while (last < rows.length && rows[last]!.offset < to) last++
    return rows.slice(first, last)
  }

  /** The first row that ends after `offset`, however far away. */
  after(offset: number): ChunkRecord | undefined {
    let window = this.#covering(offset, offset + 1)
    for (;;) {
      const known = window.rows[firstRowAfter(window.rows, offset)]
      if (known !== undefined || window.end === Infinity) return known
      window = this.#read(window.end, window.end + 1)
    }
  }

  /** All rows, read one page at a time and not cached. */
  *[Symbol.iterator](): Generator<ChunkRecord> {
    const whole = this.#windows.find(({ start, end }) => start === 0 && end === Infinity)
    if (whole !== undefined) return yield* whole.rows
    for (const rows of pagesOf(this.#table, { ...rowsOf(this.#ino), pageRows: READ_ROWS }))
      for (const [key, value] of rows) yield decodeChunk(secondOf(key), value)
  }

  /** Removes these adjacent rows, which were deleted from the table. */
  remove(rows: readonly ChunkRecord[]): void {
    this.#change(rows, (window, at) => window.rows.splice(at, rows.length))
  }

  /** Inserts these rows, which are new in the table; no other row lies between them. */
  insert(rows: readonly ChunkRecord[]): void {
    if (rows.length > READ_ROWS) this.#windows = []
    this.#change(rows, (window, at) => {
      if (at === window.rows.length) window.rows.push(...rows)
      else window.rows.splice(at, 0, ...rows)
      if (window.rows.length > MOST_ROWS) shrink(window, at)
    })
  }

  /** Changes each window that contains all of the rows; drops a window that contains only some of them. */
  #change(rows: readonly ChunkRecord[], change: (window: Window, at: number) => void): void {
    if (rows.length === 0) return
    const first = rows[0]!.offset
    const last = rows.at(-1)!.offset
    this.#windows = this.#windows.filter((window) => {
      if (last < window.start || first >= window.end) return true
      if (first < window.start || last >= window.end) return false
      change(window, firstRowAfter(window.rows, first))
      return true
    })
  }

  /** A window with all rows that end after `from` and start before `to`. */
  #covering(from: number, to: number): Window {
    const first = Math.max(0, from - MOST_ROW_BYTES)
    const index = this.#windows.findIndex(({ start, end }) => first >= start && to <= end)
    if (index < 0) return this.#read(first, to)
    const window = this.#windows[index]!
    if (index > 0) {
      this.#windows.splice(index, 1)
      this.#windows.unshift(window)
    }
    return window
  }

  /** Extends the window that reaches `from`, or starts one around `from`. Then joins it with the window it meets. */
  #read(from: number, to: number): Window {
    const near = this.#windows.find(({ start, end }) => start <= from && from <= end)
    const window = near ?? { rows: [], start: from, end: from }
    const begin = window.end
    const least = near === undefined ? FIRST_ROWS : READ_ROWS
    const others = this.#windows.filter((other) => other !== window)
    const next = nextWindow(others, begin)
    let read = 0
    window.end = Infinity
    for (const [key, value] of this.#table.range(rowsBetween(this.#ino, begin))) {
      const offset = secondOf(key)
      if (next !== undefined && offset >= next.start) {
        window.end = next.end
        window.rows = window.rows.concat(next.rows)
        break
      }
      if (read >= least && offset >= to) {
        window.end = offset
        break
      }
      window.rows.push(decodeChunk(offset, value))
      read++
    }
    if (window.rows.length > MOST_ROWS) beginAt(window, from)
    this.#windows = withinBounds([window, ...others.filter(({ start }) => start < window.start || start >= window.end)])
    return window.end < to ? this.#read(from, to) : window
  }
}

/** The first window that starts at or after `offset`. */
function nextWindow(windows: readonly Window[], offset: number): Window | undefined {
  let next: Window | undefined
  for (const window of windows) {
    if (window.start >= offset && (next === undefined || window.start < next.start)) next = window
  }
  return next
}

/** The most recently used of these windows, as many as fit the memory bound. */
function withinBounds(windows: readonly Window[]): Window[] {
  let rows = 0
  return windows.filter((window, index) => {
    rows += window.rows.length
    return index === 0 || (index < MOST_WINDOWS && rows <= MOST_KEPT)
  })
}

/** Drops the rows that end at or before `from`. */
function beginAt(window: Window, from: number): void {
  const first = firstRowAfter(window.rows, from)
  if (first === 0) return
  window.rows = window.rows.slice(first)
  window.start = Math.max(window.start, Math.min(from, window.rows[0]?.offset ?? from))
}

/** Keeps the half around row `at`. */
function shrink(window: Window, at: number): void {
  const half = MOST_ROWS / 2
  if (at >= half) {
    window.rows = window.rows.slice(-half)
    window.start = window.rows[0]!.offset
  } else {
    window.end = window.rows[half]!.offset
    window.rows.length = half
  }
}

/** Index of the first row that ends after `offset`. */
function firstRowAfter(rows: readonly ChunkRecord[], offset: number): number {
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const row = rows[middle]!
    if (row.offset + row.length <= offset) low = middle + 1
    else high = middle
  }
  return low
}
