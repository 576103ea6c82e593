/**
 * The pages of one file, which cover its chunk rows. Held pages, and pages staged while a piece is in the pipeline,
 * have an entry each; the limit on held bytes bounds the entries too. There may be millions of other staged pages, so
 * only one bit says that each exists. The bits of a stretch of the file are read from the table at its first use. Only
 * this file writes the rows.
 */
import { PAGE_BYTES, pageKey, rowsBetween, secondOf } from '../../tree-state/index.js'
import type { Table } from '../../storage/kv/index.js'
import { BlockBitmap } from './holes/block-bitmap.js'

/** Bytes 0 … length of one 4 KiB page; later bytes of the page come from the layers below. */
export interface Page {
  length: number
  /** Set while held; the bytes of a staged page are in the table. */
  data: Buffer | undefined
  epoch: number
}

/** Pages whose rows are looked up together: 128 MiB of a file. */
const STRETCH_PAGES = 32_768

type PageTable = Pick<Table, 'get' | 'put' | 'give' | 'delete' | 'keys'>

export class FilePages {
  readonly #table: PageTable
  readonly #ino: number
  /** Held pages, and pages newer than the oldest piece in the pipeline. */
  readonly #entries = new Map<number, Page>()
  /** Pages with a row, in the stretches looked up so far. */
  #stored = NONE
  /** Pages whose row may be shorter than a page. */
  #short = NONE
  /** Stretches looked up so far; undefined: all of them. */
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

  /** A lower bound of the number of pages. */
  get count(): number {
    return Math.max(this.#entries.size, this.#stored.count)
  }

  has(index: number): boolean {
    return this.#entries.has(index) || this.isStored(index)
  }

  /** A row exists, with the current bytes or older ones. */
  isStored(index: number): boolean {
    this.#look(index)
    return this.#stored.has(index)
  }

  /** The current page; without an entry, a copy of it. */
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

  /** Of an existing page; it covers pieces with a smaller epoch. */
  epochOf(index: number): number {
    return this.#entries.get(index)?.epoch ?? 0
  }

  /** The bytes of an existing page. */
  bytesOf(index: number): Uint8Array {
    const entry = this.#entries.get(index)
    if (entry === undefined) return this.#row(index)
    return (entry.data ?? this.#row(index)).subarray(0, entry.length)
  }

  /** From now on the page is in memory. */
  hold(index: number, page: Page): void {
    this.#entries.set(index, page)
  }

  /**
   * From now on the page is in the table. @param above true if it is newer than a piece in the pipeline, so it needs an
   * entry
   */
  stage(index: number, bytes: Uint8Array, epoch: number, above: boolean): void {
    const data = this.#entries.get(index)?.data
    // The bytes of a held page belong to the table from now on: its entry ends here, and nobody else changes them.
    if (data?.buffer === bytes.buffer && data.byteOffset === bytes.byteOffset) this.#giveRow(index, data, bytes.length)
    else this.#putRow(index, bytes)
    if (above) this.#entries.set(index, { length: bytes.length, data: undefined, epoch })
    else this.#entries.delete(index)
  }

  /** Removes the page from memory and from the table. */
  drop(index: number): void {
    if (this.isStored(index)) {
      this.#table.delete(pageKey(this.#ino, index))
      this.#stored.remove(index, index + 1)
      this.#short.remove(index, index + 1)
    }
    this.#entries.delete(index)
  }

  /**
   * Changes a page's bytes in memory or in the table.
   * @param change may return a shorter view
   * @param length the page's new length, if it changes
   */
  change(index: number, change: (bytes: Buffer) => Buffer, length?: number): void {
    if (this.isStored(index)) this.#putRow(index, change(Buffer.from(this.#row(index))))
    const entry = this.#entries.get(index)
    if (entry?.data !== undefined) change(entry.data.subarray(0, entry.length))
    if (entry !== undefined && length !== undefined) entry.length = length
  }

  /** Drops entries of staged pages that are older than all pieces in the pipeline. @param epoch of the oldest piece */
  settle(epoch: number): void {
    for (const [index, page] of this.#entries)
      if (page.data === undefined && page.epoch <= epoch) this.#entries.delete(index)
  }

  /** Indexes of existing pages in `first … last`, ascending. Pages may be dropped during the iteration. */
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

  /** The next stored page; Infinity when there is none up to `last`. */
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
    for (const key of this.#table.keys(rowsBetween(this.#ino, start, start + STRETCH_PAGES)))
      this.#note(secondOf(key), true)
  }

  /** The index of the first row at or after `from`. */
  #firstRow(from: number): number | undefined {
    for (const key of this.#table.keys({ ...rowsBetween(this.#ino, from), limit: 1 })) return secondOf(key)
    return undefined
  }

  #row(index: number): Uint8Array {
    return this.#table.get(pageKey(this.#ino, index))!
  }

  #rowLength(index: number): number {
    if (!this.#short.has(index)) return PAGE_BYTES
    const { length } = this.#row(index)
    if (length === PAGE_BYTES) this.#short.remove(index, index + 1)
    return length
  }

  #putRow(index: number, bytes: Uint8Array): void {
    this.#look(index)
    this.#table.put(pageKey(this.#ino, index), bytes)
    this.#note(index, bytes.length < PAGE_BYTES)
  }

  #giveRow(index: number, data: Buffer, length: number): void {
    this.#look(index)
    this.#table.give(pageKey(this.#ino, index), length === data.length ? data : data.subarray(0, length))
    this.#note(index, length < PAGE_BYTES)
  }

  #note(index: number, mayBeShort: boolean): void {
    if (this.#stored === NONE) this.#stored = new BlockBitmap()
    this.#stored.add(index, index + 1)
    if (!mayBeShort) return this.#short.remove(index, index + 1)
    if (this.#short === NONE) this.#short = new BlockBitmap()
    this.#short.add(index, index + 1)
  }
}

/** Shared and never changed, because most files have no staged pages. */
const NONE = new BlockBitmap()
