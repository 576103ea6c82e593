/**
 * The content of an open file, in layers from the bottom: an inline body or chunk rows; staged pages; pieces in the
 * pipeline and held pages, by age; the tail. An epoch orders pages and pieces: a page covers the pieces with a smaller
 * epoch.
 */
import { PAGE_BYTES } from '../../tree-state/index.js'
import type { DriveError } from '../../base/index.js'
import type { Slot } from '../staging/slot.js'
import type { BlockBitmap } from './holes/block-bitmap.js'
import type { ChunkRows } from '../chunks/chunk-rows.js'
import type { FilePages } from './file-pages.js'
import type { Piece } from './piece.js'

/** The buffer that a sequential writer fills; see staging/tail.ts. */
export interface Tail {
  readonly start: number
  data: Uint8Array
  length: number
  /** This many bytes at its start are staged as pages, or are the inline body. */
  stagedLength: number
  slot: Slot | undefined
}

export class FileContent {
  readonly rows: ChunkRows
  readonly pages: FilePages
  /** Indexes of pages that are only in memory. */
  readonly heldPages = new Set<number>()
  /** Oldest first; applied in this order. */
  readonly pieces: Piece[] = []
  tail: Tail | undefined
  /** The blocks that hold data, for a file with holes; see data-blocks.ts. */
  data: BlockBitmap | undefined
  /** It has holes, but too many pieces of data for that set. */
  isUncounted = false
  epoch = 1
  /** The end of the last sealed tail: a write there continues the stream. */
  streamEnd = -1
  /** All bytes below it are staged, or are holes. */
  solidSize: number
  /** The bytes that HeldMemory counts for this file. */
  accounted = 0
  /** The part of them in held pages. */
  accountedPages = 0
  /** The last error of staging; flush and sync report it until a retry succeeds. */
  error: DriveError | undefined

  /** @param rows of the file; they are in the table, like its staged pages */
  constructor(rows: ChunkRows, pages: FilePages, solidSize: number) {
    this.rows = rows
    this.pages = pages
    this.solidSize = solidSize
  }

  get hasHeld(): boolean {
    return this.heldPages.size > 0 || this.pieces.length > 0 || unstagedTail(this.tail) > 0
  }
}

export function unstagedTail(tail: Tail | undefined): number {
  return tail === undefined ? 0 : tail.length - tail.stagedLength
}

/** Memory of bytes that are not staged yet. */
export function heldBytesOf(content: FileContent): number {
  let bytes = content.heldPages.size * PAGE_BYTES + unstagedTail(content.tail)
  for (const piece of content.pieces) bytes += piece.length
  return bytes
}
