/** Sets the size: every layer drops the bytes beyond it; an added range is a hole. */
import { DriveError } from '../../base/index.js'
import { PAGE_BYTES } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import { noteResized } from './holes/data-blocks.js'
import type { FileContent } from './file-content.js'
import { dropPage, foldInline, type PageParts } from './pages.js'
import { replaceRows, type RowParts } from '../chunks/rows.js'
import { INLINE_BYTES } from '../../model/index.js'
import { MAX_FILE_BYTES } from './write.js'
import type { HeldMemory } from '../staging/held-memory.js'

/** The parts that a change of the size uses. */
export interface TruncateParts extends RowParts, PageParts {
  readonly state: PageParts['state']
  readonly held: HeldMemory
}

/** Does not set times; the caller does. */
export function truncate(parts: TruncateParts, inode: Inode, content: FileContent, size: number): void {
  if (size > MAX_FILE_BYTES) throw new DriveError('FILE_TOO_LARGE', 'The file would become too large.')
  const sizeBefore = inode.size
  if (size < inode.size) shrink(parts, inode, content, size)
  else if (size > inode.size) extend(parts, inode, content, size)
  if (size !== sizeBefore) noteResized(inode, content, sizeBefore)
  parts.held.account(inode)
}

function shrink(parts: TruncateParts, inode: Inode, content: FileContent, size: number): void {
  replaceRows(parts, inode, size, Infinity, [])
  cutPages(content, size)
  for (const piece of content.pieces) piece.limit = Math.max(0, Math.min(piece.limit, size - piece.start))
  const { tail } = content
  if (tail !== undefined) {
    if (size <= tail.start) parts.held.dropTail(content)
    else if (size < tail.start + tail.length) {
      tail.length = size - tail.start
      tail.stagedLength = Math.min(tail.stagedLength, tail.length)
    }
  }
  if (content.streamEnd > size) content.streamEnd = -1
  if (inode.inline !== undefined) inode.inline = size === 0 ? undefined : Buffer.from(inode.inline.subarray(0, size))
  content.solidSize = Math.min(content.solidSize, size)
  parts.state.setSize(inode, size)
  parts.inodes.unpublished.addBytes(inode, 0)
}

function extend(parts: TruncateParts, inode: Inode, content: FileContent, size: number): void {
  const { inline } = inode
  if (inline !== undefined) {
    if (size <= INLINE_BYTES) inode.inline = Buffer.concat([inline], size)
    else foldInline(parts, inode, content)
  }
  parts.state.setSize(inode, size)
}

/** Drops staged and held page bytes beyond `size`. */
export function cutPages(content: FileContent, size: number): void {
  for (const index of content.pages.between(Math.floor(size / PAGE_BYTES), Infinity)) {
    const keep = size - index * PAGE_BYTES
    if (keep <= 0) dropPage(content, index)
    else if (keep < content.pages.lengthOf(index)) content.pages.change(index, (bytes) => bytes.subarray(0, keep), keep)
  }
}
