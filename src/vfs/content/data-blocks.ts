/**
 * Which 4 KiB blocks of a file hold data, as ext4 would tell: what lseek answers from, and what stat counts. A file
 * without holes has no such set (`FileContent.data` is undefined), so ordinary files pay nothing. The layers below say
 * which bytes there are; they may hold zeros beyond the blocks a program wrote, this set does not.
 */
import { PAGE_BYTES, type ChunkRecord, type InodeRecord } from '../../tree-state/index.js'
import { GIB } from '../../base/index.js'
import { BlockBitmap } from './block-bitmap.js'
import type { FilePages } from './file-pages.js'

const BLOCK_BYTES = PAGE_BYTES
const MOST_COUNTED_BYTES = 16 * GIB

type Sized = Pick<InodeRecord, 'size' | 'inline'> & { holes: number }

interface Layers {
  data: BlockBitmap | undefined
  readonly rows: Iterable<ChunkRecord>
  readonly pages: Pick<FilePages, 'between'>
}

const blocksBefore = (offset: number): number => Math.floor(offset / BLOCK_BYTES)
const blocksWithin = (size: number): number => Math.ceil(size / BLOCK_BYTES)

/** The bytes `from … to` were written, or shared from another file. `sizeBefore`: the file's size before that. */
export function noteWritten(inode: Sized, content: Layers, sizeBefore: number, from: number, to: number): void {
  if (content.data === undefined) {
    if (blocksBefore(from) <= blocksWithin(sizeBefore)) return
    content.data = wholeTo(sizeBefore)
  }
  content.data.add(blocksBefore(from), blocksWithin(to))
  settle(inode, content)
}

/** The file has become shorter or longer; what was added is a hole. */
export function noteResized(inode: Sized, content: Layers, sizeBefore: number): void {
  if (inode.size < sizeBefore) content.data?.remove(blocksWithin(inode.size), Infinity)
  else if (content.data === undefined) {
    if (blocksWithin(inode.size) === blocksWithin(sizeBefore)) return
    content.data = wholeTo(sizeBefore)
  }
  settle(inode, content)
}

/**
 * The bytes `from … to` were made zeros: whole blocks are holes now, and so is the last one when the range reaches the
 * end.
 */
export function noteZeroed(inode: Sized, content: Layers, from: number, to: number): void {
  const first = blocksWithin(from)
  const last = to >= inode.size ? blocksWithin(inode.size) : blocksBefore(to)
  if (first >= last) return
  content.data ??= wholeTo(inode.size)
  content.data.remove(first, last)
  settle(inode, content)
}

/** For content just read from the tables: the set is made from its rows and pages. */
export function readDataBlocks(inode: Sized, content: Layers): void {
  content.data = undefined
  // Counting millions of rows takes long: a large file in which no holes were counted before has none.
  if (inode.size > MOST_COUNTED_BYTES && inode.holes === 0) return
  if (inode.inline === undefined && !isCovered(inode, content)) {
    const data = new BlockBitmap()
    for (const { offset, length } of content.rows) data.add(blocksBefore(offset), blocksWithin(offset + length))
    for (const index of content.pages.between(0, Infinity)) data.add(index, index + 1)
    data.remove(blocksWithin(inode.size), Infinity)
    content.data = data
  }
  settle(inode, content)
}

/** Rows that follow each other from the first byte to the last. */
function isCovered(inode: Sized, content: Layers): boolean {
  let end = 0
  for (const { offset, length } of content.rows) {
    if (offset > end) return false
    end = offset + length
  }
  return end >= inode.size
}

function wholeTo(size: number): BlockBitmap {
  const data = new BlockBitmap()
  data.add(0, blocksWithin(size))
  return data
}

/** Without holes the set goes; stat learns how many there are. */
function settle(inode: Sized, content: Layers): void {
  const holes = content.data === undefined ? 0 : blocksWithin(inode.size) - content.data.count
  if (holes === 0) content.data = undefined
  inode.holes = holes
}

/** Holes of a file whose chunks are known, but not stored yet: sorted, not overlapping. */
export function holesBetween(
  size: number,
  chunks: Iterable<{ readonly offset: number; readonly length: number }>,
): number {
  let holes = blocksWithin(size)
  let next = 0
  for (const { offset, length } of chunks) {
    const first = Math.max(next, blocksBefore(offset))
    next = Math.max(next, blocksWithin(Math.min(size, offset + length)))
    holes -= Math.max(0, next - first)
  }
  return holes
}
