/**
 * The content of a file in use, in layers from the bottom: an inline body or chunk rows; staged pages; pieces on their
 * way through the pipeline and held pages, by age; the tail. An epoch orders pages and pieces: a page is over the
 * pieces with a smaller epoch.
 */
import { PAGE_BYTES } from '../../tree-state/index.js'
import type { DriveError } from '../../base/index.js'
import type { Slot } from '../staging/slot.js'
import type { BlockBitmap } from './block-bitmap.js'
import type { ChunkRows } from './chunk-rows.js'
import type { FilePages } from './file-pages.js'
import type { Piece } from './piece.js'

/** The stretch a sequential writer is filling; see staging/tail.ts. */
export interface Tail {
  readonly start: number
  data: Uint8Array
  length: number
  /** The first so many bytes are staged as pages, or are the inline body. */
  stagedLength: number
  slot: Slot | undefined
}

export class FileContent {
  readonly rows: ChunkRows
  readonly pages: FilePages
  /** Indexes of pages that are in memory only. */
  readonly heldPages = new Set<number>()
  /** Oldest first; applied in this order. */
  readonly pieces: Piece[] = []
  tail: Tail | undefined
  /** The blocks with data of a file that has holes; see data-blocks.ts. */
  data: BlockBitmap | undefined
  epoch = 1
  /** Where the last sealed tail ended: a write there goes on with the stream. */
  streamEnd = -1
  /** All bytes below it are staged, or are holes. */
  solidSize: number
  /** What HeldMemory counts for it. */
  accounted = 0
  /** The last failure to stage; reported by flush and sync until a retry succeeds. */
  error: DriveError | undefined

  /** @param rows of the file, which are in the table, as are its staged pages */
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

/** Memory of bytes that are not staged. */
export function heldBytesOf(content: FileContent): number {
  let bytes = content.heldPages.size * PAGE_BYTES + unstagedTail(content.tail)
  for (const piece of content.pieces) bytes += piece.length
  return bytes
}
