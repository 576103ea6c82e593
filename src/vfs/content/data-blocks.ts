/**
 * The 4 KiB blocks of a file that hold data, as ext4 would report them: lseek and stat use this set. A file without
 * holes has no set (`FileContent.data` is undefined), so ordinary files pay nothing. The content layers know which
 * bytes exist, but may hold zeros beyond the blocks that a program wrote; this set does not.
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

/**
 * Adds the bytes `from … to`, which were written, or shared from another file. `sizeBefore`: the file's size before
 * that.
 */
export function noteWritten(inode: Sized, content: Layers, sizeBefore: number, from: number, to: number): void {
  if (content.data === undefined) {
    if (blocksBefore(from) <= blocksWithin(sizeBefore)) return
    content.data = wholeTo(sizeBefore)
  }
  content.data.add(blocksBefore(from), blocksWithin(to))
  settle(inode, content)
}

/** The file became shorter or longer; an added range is a hole. */
export function noteResized(inode: Sized, content: Layers, sizeBefore: number): void {
  if (inode.size < sizeBefore) content.data?.remove(blocksWithin(inode.size), Infinity)
  else if (content.data === undefined) {
    if (blocksWithin(inode.size) === blocksWithin(sizeBefore)) return
    content.data = wholeTo(sizeBefore)
  }
  settle(inode, content)
}

/**
 * The bytes `from … to` became zeros. Whole blocks are now holes. The last block is a hole too if the range reaches the
 * end of the file.
 */
export function noteZeroed(inode: Sized, content: Layers, from: number, to: number): void {
  const first = blocksWithin(from)
  const last = to >= inode.size ? blocksWithin(inode.size) : blocksBefore(to)
  if (first >= last) return
  content.data ??= wholeTo(inode.size)
  content.data.remove(first, last)
  settle(inode, content)
}

/** For content just read from the tables: builds the set from its rows and pages. */
export function readDataBlocks(inode: Sized, content: Layers): void {
  content.data = undefined
  // Counting millions of rows takes long, so a large file without counted holes is treated as a file without holes.
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

/** The rows cover the file from the first byte to the last without a gap. */
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

/** Drops the set when there are no holes, and updates the hole count for stat. */
function settle(inode: Sized, content: Layers): void {
  const holes = content.data === undefined ? 0 : blocksWithin(inode.size) - content.data.count
  if (holes === 0) content.data = undefined
  inode.holes = holes
}

/** The holes between chunks that are known but not stored yet; the chunks are sorted and do not overlap. */
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
