/**
 * The pages of one file, which lie over its chunk rows. Those held, and those staged while a piece is under way,
 * have an entry each; the bound on held bytes bounds them too. Of the staged rest, which may be millions, only a bit
 * says that each is there. The bits are read from the table for a stretch of the file when it is first used. This
 * file alone writes the rows.
 */
import { PAGE_BYTES, pageKey, rowsBetween, secondOf } from '../../tree-state/index.js'
import type { Table } from '../../storage/kv/index.js'
import { BlockBitmap } from './block-bitmap.js'

/** Bytes 0 … length of one 4 KiB page; what lies after them in the page comes from the layers below. */
export interface Page {
  length: number
  /** Present while held; the bytes of a staged page are in the table. */
  data: Buffer | undefined
  epoch: number
}

/** Pages whose rows are looked up together: 128 MiB of a file. */
const STRETCH_PAGES = 32_768

type PageTable = Pick<Table, 'get' | 'put' | 'delete' | 'lengths'>

export class FilePages {
  readonly #table: PageTable
  readonly #ino: number
  /** Held, or newer than the oldest piece under way. */
  readonly #entries = new Map<number, Page>()
  /** Pages with a row, in the stretches looked up. */
  #stored = NONE
  /** Those whose row is shorter than a page. */
  #short = NONE
  /** Stretches looked up; undefined: all of them. */
  #looked: Set<number> | undefined

  /** @param isEmpty the table has no row of the file */
  constructor(table: PageTable, ino: number, isEmpty: boolean) {
    this.#table = table
    this.#ino = ino
    if (!isEmpty && this.#firstRow(0) !== undefined) this.#looked = new Set()
  }

  get isEmpty(): boolean {
    return this.#looked === undefined && this.#entries.size === 0 && this.#stored.count === 0
  }

  /** How many there are at least. */
  get count(): number {
    return Math.max(this.#entries.size, this.#stored.count)
  }

  has(index: number): boolean {
    return this.#entries.has(index) || this.isStored(index)
  }

  /** A row exists, of these or of older bytes. */
  isStored(index: number): boolean {
    this.#look(index)
    return this.#stored.has(index)
  }

  /** The page as it is now; of one without an entry this is a copy. */
  get(index: number): Page | undefined {
    const entry = this.#entries.get(index)
    if (entry !== undefined || !this.isStored(index)) return entry
    return { length: this.#rowLength(index), data: undefined, epoch: 0 }
  }

  /** The page if its bytes are in memory. */
  held(index: number): Page | undefined {
    const entry = this.#entries.get(index)
    return entry?.data === undefined ? undefined : entry
  }

  /** 0 where there is no page. */
  lengthOf(index: number): number {
    return this.#entries.get(index)?.length ?? (this.isStored(index) ? this.#rowLength(index) : 0)
  }

  /** Of a page that is there: over pieces with a smaller one. */
  epochOf(index: number): number {
    return this.#entries.get(index)?.epoch ?? 0
  }

  /** The bytes of a page that is there. */
  bytesOf(index: number): Uint8Array {
    const entry = this.#entries.get(index)
    if (entry === undefined) return this.#row(index)
    return (entry.data ?? this.#row(index)).subarray(0, entry.length)
  }

  /** The page is in memory from now on. */
  hold(index: number, page: Page): void {
    this.#entries.set(index, page)
  }

  /** The page is in the table from now on. @param above an entry is needed: it is newer than a piece under way */
  stage(index: number, bytes: Uint8Array, epoch: number, above: boolean): void {
    this.#putRow(index, bytes)
    if (above) this.#entries.set(index, { length: bytes.length, data: undefined, epoch })
    else this.#entries.delete(index)
  }

  /** The page is no longer there, in memory and in the table. */
  drop(index: number): void {
    if (this.isStored(index)) {
      this.#table.delete(pageKey(this.#ino, index))
      this.#stored.remove(index, index + 1)
      this.#short.remove(index, index + 1)
    }
    this.#entries.delete(index)
  }

  /**
   * Changes a page's bytes wherever they are.
   * @param change may return a shorter view
   * @param length of the page afterwards, where it changes
   */
  change(index: number, change: (bytes: Buffer) => Buffer, length?: number): void {
    if (this.isStored(index)) this.#putRow(index, change(Buffer.from(this.#row(index))))
    const entry = this.#entries.get(index)
    if (entry?.data !== undefined) change(entry.data.subarray(0, entry.length))
    if (entry !== undefined && length !== undefined) entry.length = length
  }

  /** Entries of staged pages that are older than all pieces under way go. @param epoch of the oldest piece */
  settle(epoch: number): void {
    for (const [index, page] of this.#entries)
      if (page.data === undefined && page.epoch <= epoch) this.#entries.delete(index)
  }

  /** Indexes `first … last` of pages that are there, ascending. Pages may be dropped meanwhile. */
  *between(first: number, last: number): Generator<number, undefined> {
    if (last - first <= this.#entries.size) {
      for (let index = first; index <= last; index++) if (this.has(index)) yield index
      return
    }
    const own = [...this.#entries.keys()].filter((index) => index >= first && index <= last).sort((a, b) => a - b)
    let at = 0
    for (let from = first; ;) {
      while (at < own.length && own[at]! < from) at++
      const next = Math.min(own[at] ?? Infinity, this.#nextStored(from, last))
      if (next > last || next === Infinity) return
      yield next
      from = next + 1
    }
  }

  /** Infinity when there is none up to `last`. */
  #nextStored(from: number, last: number): number {
    for (let at = from; at <= last;) {
      this.#look(at)
      const found = this.#stored.nextIn(at) ?? Infinity
      const end = (Math.floor(at / STRETCH_PAGES) + 1) * STRETCH_PAGES
      if (found < end || this.#looked === undefined) return found
      const next = this.#firstRow(end)
      if (next === undefined) return Infinity
      at = next
    }
    return Infinity
  }

  #look(index: number): void {
    const stretch = Math.floor(index / STRETCH_PAGES)
    if (this.#looked === undefined || this.#looked.has(stretch)) return
    this.#looked.add(stretch)
    const start = stretch * STRETCH_PAGES
    for (const [key, length] of this.#table.lengths(rowsBetween(this.#ino, start, start + STRETCH_PAGES)))
      this.#note(secondOf(key), length)
  }

  /** The index of the first row at or after `from`. */
  #firstRow(from: number): number | undefined {
    for (const [key] of this.#table.lengths({ ...rowsBetween(this.#ino, from), limit: 1 })) return secondOf(key)
    return undefined
  }

  #row(index: number): Uint8Array {
    return this.#table.get(pageKey(this.#ino, index))!
  }

  #rowLength(index: number): number {
    return this.#short.has(index) ? this.#row(index).length : PAGE_BYTES
  }

  #putRow(index: number, bytes: Uint8Array): void {
    this.#look(index)
    this.#table.put(pageKey(this.#ino, index), bytes)
    this.#note(index, bytes.length)
  }

  #note(index: number, length: number): void {
    if (this.#stored === NONE) this.#stored = new BlockBitmap()
    this.#stored.add(index, index + 1)
    if (length === PAGE_BYTES) return this.#short.remove(index, index + 1)
    if (this.#short === NONE) this.#short = new BlockBitmap()
    this.#short.add(index, index + 1)
  }
}

/** Nothing is ever added to it: most files have no staged pages. */
const NONE = new BlockBitmap()
