/**
 * The content of a file in use, in layers from the bottom: an inline body or chunk rows; staged pages; pieces on their way
 * through the pipeline and held pages, by age; the tail. An epoch orders pages and pieces: a page is over the pieces with a smaller epoch.
 */
import type { DriveError } from '../../base/index.js'
import { decodeChunk, PAGE_BYTES, rowsOf, secondOf, type ChunkRecord } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import type { Volume } from '../volume.js'
import type { Piece } from './piece.js'
import { dropTail, type Tail } from '../staging/tail.js'

/** Bytes 0 … length of one 4 KiB page; what lies after them in the page comes from the layers below. */
export interface Page {
  length: number
  /** Present while held; a staged page is read from the table. */
  data: Buffer | undefined
  epoch: number
  /** A row exists in `pages`, of this or of older bytes. */
  stored: boolean
}

export class FileContent {
  /** Sorted by offset, never overlapping. */
  rows: ChunkRecord[] = []
  readonly pages = new Map<number, Page>()
  /** Indexes of pages that are in memory only. */
  readonly heldPages = new Set<number>()
  /** Oldest first; applied in this order. */
  readonly pieces: Piece[] = []
  tail: Tail | undefined
  epoch = 1
  /** Where the last sealed tail ended: a write there goes on with the stream. */
  streamEnd = -1
  /** All bytes below it are staged, or are holes. */
  solidSize: number
  /** Must be staged with the next commit, because its name replaced another file's or it was emptied before. */
  isUrgent = false
  /** Was cut to nothing: becomes urgent with the last close. */
  wasEmptied = false
  /** What HeldMemory counts for it. */
  accounted = 0
  /** The last failure to stage; reported by flush and sync until a retry succeeds. */
  error: DriveError | undefined

  constructor(solidSize: number) {
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

/** The content, read from the tables at first use. A file whose chunk list is on a node must be loaded before. */
export function openContent(volume: Volume, inode: Inode): FileContent {
  if (inode.content !== undefined) return inode.content
  const content = new FileContent(inode.size)
  if (inode.inline === undefined && inode.size > 0) readRows(volume, inode, content)
  inode.content = content
  return content
}

function readRows(volume: Volume, inode: Inode, content: FileContent): void {
  const { chunks, pages } = volume.tables
  for (const [key, value] of chunks.range(rowsOf(inode.ino))) content.rows.push(decodeChunk(secondOf(key), value))
  for (const [key, value] of pages.range(rowsOf(inode.ino))) {
    content.pages.set(secondOf(key), { length: value.length, data: undefined, epoch: 0, stored: true })
  }
}

/** Lets go of content that can be read from the tables again. */
export function closeContent(volume: Volume, inode: Inode): void {
  const { content } = inode
  if (content === undefined || inode.handles > 0 || inode.pins > 0 || content.hasHeld) return
  dropTail(volume, content)
  volume.held.account(inode)
  inode.content = undefined
}

/** The size a commit may claim: no byte below it is missing from what is staged. */
export function persistedSize(inode: Inode): number {
  const { content } = inode
  if (content === undefined || !content.hasHeld) {
    if (content !== undefined) content.solidSize = inode.size
    return inode.size
  }
  const solid = content.solidSize
  let size = inode.size
  const claim = (start: number, end: number): void => {
    if (end > solid) size = Math.min(size, Math.max(solid, start))
  }
  for (const { start, limit, isStaged } of content.pieces) if (!isStaged) claim(start, start + limit)
  for (const index of content.heldPages)
    claim(index * PAGE_BYTES, index * PAGE_BYTES + content.pages.get(index)!.length)
  const { tail } = content
  if (tail !== undefined && unstagedTail(tail) > 0) claim(tail.start + tail.stagedLength, tail.start + tail.length)
  if (inode.inline !== undefined) size = Math.min(size, inode.inline.length)
  content.solidSize = size
  return size
}

/** Changes the size and the sum over all files. */
export function setSize(volume: Volume, inode: Inode, size: number): void {
  if (inode.nlink > 0) volume.counters.totalBytes += size - inode.size
  inode.size = size
}
