/** The size that a commit may store for a file while some of its bytes are only in memory. */
import { PAGE_BYTES } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import { unstagedTail } from './file-content.js'

/** The largest size such that all bytes below it are staged. */
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
  for (const index of content.heldPages) claim(index * PAGE_BYTES, index * PAGE_BYTES + content.pages.lengthOf(index))
  const { tail } = content
  if (tail !== undefined && unstagedTail(tail) > 0) claim(tail.start + tail.stagedLength, tail.start + tail.length)
  if (inode.inline !== undefined) size = Math.min(size, inode.inline.length)
  content.solidSize = size
  return size
}
