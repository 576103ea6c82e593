/** copy_file_range(2): whole chunks are shared by reference, the rest is copied. */
import { DriveError, MIB } from '../../base/index.js'
import { PAGE_BYTES, type ChunkRecord } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import { Wait } from '../maybe.js'
import type { Caller } from '../tree.js'
import { hasOnlyRows } from './compose.js'
import type { FileContent } from './file-content.js'
import { noteWritten } from './holes/data-blocks.js'
import { contentOrWait } from './load-content.js'
import { dropPage } from './pages.js'
import { read, type ReadParts } from './read.js'
import { replaceRows, type RowParts } from '../chunks/rows.js'
import { closeTail } from '../staging/stage.js'
import { write, type WriteParts } from './write.js'

/** The parts that copying uses. */
export type CopyParts = WriteParts & ReadParts & RowParts

/** One call copies at most this much; the program calls again. */
const MAX_BYTES = 256 * MIB

/** Shared rows between two commits. */
const MOST_PENDING_BYTES = 8 * MIB

interface Place {
  readonly inode: Inode
  readonly offset: number
}

/** @returns bytes copied, 0 at the end of the source. Throws INVALID for overlapping ranges of one file. */
export async function copyRange(
  parts: CopyParts,
  from: Place,
  to: Place,
  length: number,
  caller: Caller,
): Promise<number> {
  const wanted = Math.min(length, MAX_BYTES, from.inode.size - from.offset)
  if (wanted <= 0) return 0
  if (from.inode === to.inode && Math.abs(from.offset - to.offset) < wanted) {
    throw new DriveError('INVALID', 'The ranges overlap.')
  }
  let done = 0
  while (done < wanted) {
    const source = { inode: from.inode, offset: from.offset + done }
    const target = { inode: to.inode, offset: to.offset + done }
    const count = await copyStep(parts, source, target, wanted - done, caller)
    if (count === 0) break
    done += count
    if (parts.state.pendingBytes > MOST_PENDING_BYTES) await parts.committer.commit()
  }
  return done
}

async function copyStep(
  parts: CopyParts,
  source: Place,
  target: Place,
  length: number,
  caller: Caller,
): Promise<number> {
  const content = await loaded(parts, source.inode, caller)
  const row = content.rows.after(source.offset)
  let limit = Math.min(length, MIB)
  if (row !== undefined) {
    const end = row.offset + row.length
    const isWhole = row.offset === source.offset && row.length <= length
    if (
      isWhole &&
      hasOnlyRows(source.inode, content, row.offset, end) &&
      (await share(parts, source.inode, row, target, caller))
    ) {
      return row.length
    }
    limit = Math.min(limit, row.offset > source.offset ? row.offset - source.offset : end - source.offset)
  }
  return copyBytes(parts, source, target, limit, caller)
}

async function copyBytes(
  parts: CopyParts,
  source: Place,
  target: Place,
  length: number,
  caller: Caller,
): Promise<number> {
  let done = 0
  for (const view of await read(parts, source, source.offset, length, caller)) {
    await write(parts, target.inode, target.offset + done, view, caller)
    done += view.length
  }
  return done
}

/** @returns false when the target range is not empty, or the source changed meanwhile; then the bytes are copied */
async function share(
  parts: CopyParts,
  source: Inode,
  row: ChunkRecord,
  { inode, offset }: Place,
  caller: Caller,
): Promise<boolean> {
  for (;;) {
    const frozen = parts.committer.whenWritable()
    if (frozen !== undefined) {
      await frozen.until
      continue
    }
    const content = await loaded(parts, inode, caller)
    const closing = closeTail(parts, inode, content)
    if (closing !== undefined) await closing.until
    else if (content.pieces.length > 0) await parts.sealing.settle(inode, content.pieces)
    else if (inode.content === content && content.tail === undefined)
      return isCurrent(source, row) && shareNow(parts, row, inode, content, offset)
  }
}

/** The row still belongs to the source. The block of a removed row may be deleted at any time. */
function isCurrent(source: Inode, row: ChunkRecord): boolean {
  const { content } = source
  if (content?.rows.after(row.offset)?.digest !== row.digest) return false
  return hasOnlyRows(source, content, row.offset, row.offset + row.length)
}

function shareNow(parts: CopyParts, row: ChunkRecord, inode: Inode, content: FileContent, offset: number): boolean {
  const end = offset + row.length
  if (inode.inline !== undefined || hasEdgePages(content, offset, end)) return false
  for (const index of content.pages.between(Math.ceil(offset / PAGE_BYTES), Math.floor((end - 1) / PAGE_BYTES)))
    dropPage(content, index)
  const shared = { ...row, offset, born: parts.state.sequence }
  replaceRows(parts, inode, offset, end, [shared])
  parts.blocks.reference([shared])
  const sizeBefore = inode.size
  if (end > inode.size) parts.state.setSize(inode, end)
  noteWritten(inode, content, sizeBefore, offset, end)
  parts.inodes.stampChange(inode, true)
  parts.changes.changed(inode)
  parts.inodes.unpublished.addBytes(inode, row.length)
  parts.held.account(inode)
  return true
}

/** Pages that lie only partly in the range. */
function hasEdgePages({ pages }: FileContent, from: number, to: number): boolean {
  if (from % PAGE_BYTES !== 0 && pages.has(Math.floor(from / PAGE_BYTES))) return true
  const last = Math.floor((to - 1) / PAGE_BYTES)
  return pages.has(last) && last * PAGE_BYTES + pages.lengthOf(last) > to
}

async function loaded(parts: CopyParts, inode: Inode, caller: Caller): Promise<FileContent> {
  for (;;) {
    const content = contentOrWait(parts, inode, caller)
    if (!(content instanceof Wait)) return content
    await content.until
  }
}
