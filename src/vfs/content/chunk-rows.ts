/**
 * The chunk rows of one file, in order of their offsets and never overlapping. Two windows of them are in memory (a copy within one file
 * reads here and writes there), the rest in the table: a file of a terabyte has millions. Who changes the table changes the windows with
 * it (rows.ts).
 */
import { CHUNK } from '../../pipeline/index.js'
import { pagesOf, type Table } from '../../storage/kv/index.js'
import { decodeChunk, rowsBetween, rowsOf, secondOf, type ChunkRecord } from '../../tree-state/index.js'

/** No row is longer: a block holds no more. So a row that reaches over an offset begins at most this much before it. */
export const MOST_ROW_BYTES = CHUNK.MAX
/** Rows read at once, at least. */
const READ_ROWS = 1024
/** A window with more rows is cut to half of them. */
const MOST_ROWS = 4096

type ReadTable = Pick<Table, 'range'>

/** Every row that begins at `start … end`. */
interface Window {
  rows: ChunkRecord[]
  start: number
  end: number
}

export class ChunkRows {
  readonly #table: ReadTable
  readonly #ino: number
  /** The one used last comes first. */
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

  /** Rows that end after `from` and begin before `to`, which is near: all of them are read. */
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
    const { rows, end } = this.#covering(offset, offset + 1)
    const known = rows[firstRowAfter(rows, offset)]
    if (known !== undefined || end === Infinity) return known
    return this.#read(end, end + 1).rows[0]
  }

  /** All rows, read a page at a time and not kept. */
  *[Symbol.iterator](): Generator<ChunkRecord> {
    const [window] = this.#windows
    if (window?.start === 0 && window.end === Infinity) return yield* window.rows
    for (const rows of pagesOf(this.#table, { ...rowsOf(this.#ino), pageRows: READ_ROWS }))
      for (const [key, value] of rows) yield decodeChunk(secondOf(key), value)
  }

  /** These rows, which lie next to each other, are gone from the table. */
  remove(rows: readonly ChunkRecord[]): void {
    this.#change(rows, (window, at) => window.rows.splice(at, rows.length))
  }

  /** These rows are new in the table; between them is no other. */
  insert(rows: readonly ChunkRecord[]): void {
    if (rows.length > READ_ROWS) this.#windows = []
    this.#change(rows, (window, at) => {
      if (at === window.rows.length) window.rows.push(...rows)
      else window.rows.splice(at, 0, ...rows)
      if (window.rows.length > MOST_ROWS) shrink(window, at)
    })
  }

  /** Changes each window the rows lie in; one they lie in only in part is dropped. */
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

  /** A window with all rows that end after `from` and begin before `to`. */
  #covering(from: number, to: number): Window {
    const first = Math.max(0, from - MOST_ROW_BYTES)
    const [recent, other] = this.#windows
    if (recent !== undefined && first >= recent.start && to <= recent.end) return recent
    if (other !== undefined && first >= other.start && to <= other.end) {
      this.#windows = [other, recent!]
      return other
    }
    return this.#read(first, to)
  }

  #read(from: number, to: number): Window {
    const window: Window = { rows: [], start: from, end: Infinity }
    for (const [key, value] of this.#table.range(rowsBetween(this.#ino, from))) {
      const offset = secondOf(key)
      if (window.rows.length >= READ_ROWS && offset >= to) {
        window.end = offset
        break
      }
      window.rows.push(decodeChunk(offset, value))
    }
    this.#windows = [window, ...this.#windows.slice(0, 1)]
    return window
  }
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
