/**
 * The 4 KiB blocks of a file that hold data, as ext4 would report them: lseek and stat use this set. A file without
 * holes has no set (`FileContent.data` is undefined), so ordinary files pay nothing. The content layers know which
 * bytes exist, but may hold zeros beyond the blocks that a program wrote; this set does not. A file with very many
 * pieces of data has no set either (`isUncounted`): lseek looks into the layers, and stat is approximate.
 */
import { GIB } from '../../../base/index.js'
import { PAGE_BYTES, type ChunkRecord, type InodeRecord } from '../../../tree-state/index.js'
import { BlockBitmap } from './block-bitmap.js'
import type { FilePages } from '../file-pages.js'

const BLOCK_BYTES = PAGE_BYTES
/** Rows and pages read in one turn to make a set. */
const MOST_COUNTED = 131_072
const MOST_COUNTED_BYTES = 16 * GIB
/** A set with more pieces takes too much memory: some 8 MiB. */
const MOST_FRAGMENTS = 16_384

type Sized = Pick<InodeRecord, 'size' | 'inline'> & { holes: number }

interface Layers {
  data: BlockBitmap | undefined
  isUncounted: boolean
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
  const gap = blocksBefore(from) - blocksWithin(sizeBefore)
  if (content.isUncounted) return estimate(inode, inode.holes + Math.max(0, gap))
  if (content.data === undefined) {
    if (gap <= 0) return
    content.data = wholeTo(sizeBefore)
  }
  content.data.add(blocksBefore(from), blocksWithin(to))
  settle(inode, content)
}

/** The file became shorter or longer; an added range is a hole. */
export function noteResized(inode: Sized, content: Layers, sizeBefore: number): void {
  const added = blocksWithin(inode.size) - blocksWithin(sizeBefore)
  if (content.isUncounted) return estimate(inode, inode.holes + Math.max(0, added))
  if (inode.size < sizeBefore) content.data?.remove(blocksWithin(inode.size), Infinity)
  else if (content.data === undefined) {
    if (added === 0) return
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
  if (first >= last || content.isUncounted) return
  content.data ??= wholeTo(inode.size)
  content.data.remove(first, last)
  settle(inode, content)
}

/** For content just read from the tables: builds the set from its rows and pages. */
export function readDataBlocks(inode: Sized, content: Layers): void {
  content.data = undefined
  content.isUncounted = false
  // Counting the rows of a large file takes long. The number of its holes is known, also if it was made elsewhere.
  if (inode.size > MOST_COUNTED_BYTES && inode.holes === 0) return
  if (inode.inline === undefined && (inode.holes > 0 || !isCovered(inode, content))) {
    const data = dataOf(inode, content)
    if (data === undefined) return giveUp(inode, content)
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

/** Undefined if there are too many rows and pages to count. */
function dataOf({ size }: Sized, content: Layers): BlockBitmap | undefined {
  const data = new BlockBitmap()
  let left = MOST_COUNTED
  for (const { offset, length } of content.rows) {
    if (--left < 0) return undefined
    data.add(blocksBefore(offset), blocksWithin(offset + length))
    if (data.fragments > MOST_FRAGMENTS) return undefined
  }
  for (const index of content.pages.between(0, Infinity)) {
    if (--left < 0) return undefined
    data.add(index, index + 1)
    if (data.fragments > MOST_FRAGMENTS) return undefined
  }
  data.remove(blocksWithin(size), Infinity)
  return data
}

/** A file that had no holes has none: its set would be whole. Otherwise the known number of holes stays. */
function giveUp(inode: Sized, content: Layers): void {
  content.data = undefined
  content.isUncounted = inode.holes > 0
  estimate(inode, inode.holes)
}

function estimate(inode: Sized, holes: number): void {
  inode.holes = Math.min(holes, blocksWithin(inode.size))
}

function wholeTo(size: number): BlockBitmap {
  const data = new BlockBitmap()
  data.add(0, blocksWithin(size))
  return data
}

/** Drops the set when there are no holes or too many pieces, and updates the hole count for stat. */
function settle(inode: Sized, content: Layers): void {
  const holes = content.data === undefined ? 0 : blocksWithin(inode.size) - content.data.count
  inode.holes = holes
  if (holes === 0) content.data = undefined
  else if (content.data !== undefined && content.data.fragments > MOST_FRAGMENTS) giveUp(inode, content)
}

/** Counts the holes between chunks that come in order and do not overlap. */
export class HoleCount {
  #data = 0
  #next = 0

  add({ offset, length }: { readonly offset: number; readonly length: number }, size: number): void {
    const first = Math.max(this.#next, blocksBefore(offset))
    this.#next = Math.max(this.#next, blocksWithin(Math.min(size, offset + length)))
    this.#data += Math.max(0, this.#next - first)
  }

  /** In a file of that size. */
  holes(size: number): number {
    return Math.max(0, blocksWithin(size) - this.#data)
  }
}

/** The holes between chunks that are known but not stored yet; the chunks are sorted and do not overlap. */
export function holesBetween(
  size: number,
  chunks: Iterable<{ readonly offset: number; readonly length: number }>,
): number {
  const count = new HoleCount()
  for (const chunk of chunks) count.add(chunk, size)
  return count.holes(size)
}
