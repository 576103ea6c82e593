/** The bytes of a range of a file, all layers merged. */
import { PAGE_BYTES, pageKey, type ChunkRecord } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import { Wait } from '../maybe.js'
import type { Caller } from '../tree.js'
import type { OpenedBlocks } from './chunk-reader.js'
import type { FileContent, Page } from './file-content.js'
import { bytesOfRow } from './rows.js'
import type { TreeState } from '../inodes/tree-state.js'
import type { ChunkReader } from './chunk-reader.js'

/** What merging the layers of a file takes. */
export interface ComposeParts {
  readonly state: Pick<TreeState, 'tables'>
  readonly reader: ChunkReader
}

/** `from … to`, or what to wait for: blocks that must be read first. The range lies within the file. */
export function composeOrWait(
  parts: ComposeParts,
  inode: Inode,
  content: FileContent,
  from: number,
  to: number,
  opened?: OpenedBlocks,
  caller?: Caller,
): Buffer | Wait {
  const out = Buffer.alloc(to - from)
  const missing = paintRows(parts, content, out, from, to, opened)
  if (missing.length > 0) return new Wait(parts.reader.load(missing, opened ?? new Map<string, Uint8Array>(), caller))
  if (inode.inline !== undefined) paint(out, from, 0, inode.inline)
  if (content.pieces.length === 0) paintPages(parts, inode, content, out, from, -1, Infinity)
  else paintPieces(parts, inode, content, out, from)
  const { tail } = content
  if (tail !== undefined) paint(out, from, tail.start, tail.data, tail.length)
  return out
}

/** Whether only chunk rows (and holes) lie in the range. */
export function hasOnlyRows(inode: Inode, content: FileContent, from: number, to: number): boolean {
  if (inode.inline !== undefined) return false
  const { tail, pieces, pages } = content
  if (tail !== undefined && tail.start < to && tail.start + tail.length > from) return false
  if (pieces.some((piece) => piece.start < to && piece.start + piece.limit > from)) return false
  return pages.size === 0 || !someIndex(pages, from, to)
}

/** Rows in the range whose bytes are not covered by a page, a piece or the tail. */
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
  out: Buffer,
  from: number,
  to: number,
  opened: OpenedBlocks | undefined,
): ChunkRecord[] {
  const missing: ChunkRecord[] = []
  for (const row of visibleRows(content, from, to)) {
    const plain = parts.reader.openNow(row, opened)
    if (plain === undefined) missing.push(row)
    else if (missing.length === 0) paint(out, from, row.offset, bytesOfRow(plain, row))
  }
  return missing
}

function paintPieces(parts: ComposeParts, inode: Inode, content: FileContent, out: Buffer, from: number): void {
  let painted = -1
  for (const piece of content.pieces) {
    paintPages(parts, inode, content, out, from, painted, piece.epoch)
    paint(out, from, piece.start, piece.data, piece.limit)
    painted = piece.epoch
  }
  paintPages(parts, inode, content, out, from, painted, Infinity)
}

/** Pages with an epoch over `after` and up to `upTo`. */
function paintPages(
  parts: ComposeParts,
  inode: Inode,
  content: FileContent,
  out: Buffer,
  from: number,
  after: number,
  upTo: number,
): void {
  if (content.pages.size === 0) return
  const last = Math.floor((from + out.length - 1) / PAGE_BYTES)
  for (let index = Math.floor(from / PAGE_BYTES); index <= last; index++) {
    const page = content.pages.get(index)
    if (page === undefined || page.epoch <= after || page.epoch > upTo) continue
    paint(out, from, index * PAGE_BYTES, bytesOf(parts, inode, index, page), page.length)
  }
}

export function bytesOf(parts: ComposeParts, inode: Inode, index: number, page: Page): Uint8Array {
  return page.data ?? parts.state.tables.pages.get(pageKey(inode.ino, index))!
}

/** Copies what of `bytes` (file bytes from `start` on) lies in `out` (file bytes from `from` on). */
function paint(out: Buffer, from: number, start: number, bytes: Uint8Array, length: number = bytes.length): void {
  const begin = Math.max(from, start)
  const end = Math.min(from + out.length, start + length)
  if (begin < end) out.set(bytes.subarray(begin - start, end - start), begin - from)
}

function someIndex(pages: ReadonlyMap<number, Page>, from: number, to: number): boolean {
  const last = Math.floor((to - 1) / PAGE_BYTES)
  for (let index = Math.floor(from / PAGE_BYTES); index <= last; index++) if (pages.has(index)) return true
  return false
}

function isCovered(content: FileContent, from: number, to: number): boolean {
  const { tail, pieces, pages } = content
  if (tail !== undefined && tail.start <= from && tail.start + tail.length >= to) return true
  if (pieces.some((piece) => piece.start <= from && piece.start + piece.limit >= to)) return true
  if (pages.size === 0) return false
  for (let at = from; at < to;) {
    const index = Math.floor(at / PAGE_BYTES)
    const pageEnd = index * PAGE_BYTES + (pages.get(index)?.length ?? 0)
    if (pageEnd < Math.min(to, (index + 1) * PAGE_BYTES)) return false
    at = (index + 1) * PAGE_BYTES
  }
  return true
}
