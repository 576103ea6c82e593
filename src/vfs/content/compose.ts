/** The bytes of a range of a file, merged from all layers. */
import { PAGE_BYTES, type ChunkRecord } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import { Wait } from '../maybe.js'
import type { Caller } from '../tree.js'
import type { OpenedBlocks } from '../chunks/opened-blocks.js'
import type { FileContent } from './file-content.js'
import type { FilePages } from './file-pages.js'
import { loadRows } from '../chunks/load-rows.js'
import { bytesOfRow } from '../chunks/rows.js'
import type { TreeState } from '../inodes/tree-state.js'
import type { ChunkReader } from '../chunks/chunk-reader.js'

/** The parts that merging uses. */
export interface ComposeParts {
  readonly state: Pick<TreeState, 'tables'>
  readonly reader: ChunkReader
}

/** A reader: the blocks opened for it, and its signal. */
export interface Reader {
  readonly opened: OpenedBlocks
  readonly caller: Caller | undefined
}

/** A buffer for file bytes, starting at offset `from`. */
interface Canvas {
  readonly bytes: Buffer
  readonly from: number
}

/**
 * The bytes `from … to` of an inode with content, or a wait for blocks that must be read first. The range must lie
 * within the file.
 */
export function composeOrWait(
  parts: ComposeParts,
  inode: Inode,
  from: number,
  to: number,
  reader?: Reader,
): Buffer | Wait {
  const content = inode.content!
  const canvas: Canvas = { bytes: Buffer.alloc(to - from), from }
  const missing = paintRows(parts, content, canvas, reader?.opened)
  if (missing.length > 0) return new Wait(loadRows(parts.reader, missing, reader ?? {}))
  if (inode.inline !== undefined) paint(canvas, 0, inode.inline)
  if (content.pieces.length === 0) paintPages(content, canvas, -1, Infinity)
  else paintPieces(content, canvas)
  const { tail } = content
  if (tail !== undefined) paint(canvas, tail.start, tail.data, tail.length)
  return canvas.bytes
}

/** Whether the range has only chunk rows and holes. */
export function hasOnlyRows(inode: Inode, content: FileContent, from: number, to: number): boolean {
  if (inode.inline !== undefined) return false
  const { tail, pieces, pages } = content
  if (tail !== undefined && tail.start < to && tail.start + tail.length > from) return false
  if (pieces.some((piece) => piece.start < to && piece.start + piece.limit > from)) return false
  return !isAnyIn(pages, from, to)
}

/** Rows in the range with bytes that no page, piece or tail covers. */
export function visibleRows(content: FileContent, from: number, to: number): ChunkRecord[] {
  const found: ChunkRecord[] = []
  for (const row of content.rows.within(from, to)) {
    if (!isCovered(content, Math.max(from, row.offset), Math.min(to, row.offset + row.length))) found.push(row)
  }
  return found
}

function paintRows(
  parts: ComposeParts,
  content: FileContent,
  canvas: Canvas,
  opened: OpenedBlocks | undefined,
): ChunkRecord[] {
  const missing: ChunkRecord[] = []
  for (const row of visibleRows(content, canvas.from, canvas.from + canvas.bytes.length)) {
    const bytes = opened?.copyOf(row) ?? openedRow(parts, row, opened)
    if (bytes === undefined) missing.push(row)
    else if (missing.length === 0) paint(canvas, row.offset, bytes)
  }
  return missing
}

function openedRow(
  { reader }: ComposeParts,
  row: ChunkRecord,
  opened: OpenedBlocks | undefined,
): Uint8Array | undefined {
  const plain = reader.openNow(row, opened)
  return plain && bytesOfRow(plain, row)
}

function paintPieces(content: FileContent, canvas: Canvas): void {
  let painted = -1
  for (const piece of content.pieces) {
    paintPages(content, canvas, painted, piece.epoch)
    paint(canvas, piece.start, piece.data, piece.limit)
    painted = piece.epoch
  }
  paintPages(content, canvas, painted, Infinity)
}

/** Pages with an epoch greater than `after` and at most `upTo`. */
function paintPages({ pages }: FileContent, canvas: Canvas, after: number, upTo: number): void {
  if (pages.isEmpty) return
  const { bytes, from } = canvas
  const last = Math.floor((from + bytes.length - 1) / PAGE_BYTES)
  for (const index of pages.between(Math.floor(from / PAGE_BYTES), last)) {
    const epoch = pages.epochOf(index)
    if (epoch > after && epoch <= upTo) paint(canvas, index * PAGE_BYTES, pages.bytesOf(index))
  }
}

/** Copies the part of `bytes` (file bytes from `start` on) that overlaps the canvas. */
function paint({ bytes: out, from }: Canvas, start: number, bytes: Uint8Array, length: number = bytes.length): void {
  const begin = Math.max(from, start)
  const end = Math.min(from + out.length, start + length)
  if (begin < end) out.set(bytes.subarray(begin - start, end - start), begin - from)
}

function isAnyIn(pages: FilePages, from: number, to: number): boolean {
  if (pages.isEmpty) return false
  const found = pages.between(Math.floor(from / PAGE_BYTES), Math.floor((to - 1) / PAGE_BYTES)).next()
  return found.done !== true
}

function isCovered(content: FileContent, from: number, to: number): boolean {
  const { tail, pieces, pages } = content
  if (tail !== undefined && tail.start <= from && tail.start + tail.length >= to) return true
  if (pieces.some((piece) => piece.start <= from && piece.start + piece.limit >= to)) return true
  if (pages.isEmpty) return false
  for (let at = from; at < to;) {
    const index = Math.floor(at / PAGE_BYTES)
    const pageEnd = index * PAGE_BYTES + pages.lengthOf(index)
    if (pageEnd < Math.min(to, (index + 1) * PAGE_BYTES)) return false
    at = (index + 1) * PAGE_BYTES
  }
  return true
}
