/** lseek(2) with SEEK_DATA and SEEK_HOLE. */
import { DriveError } from '../../base/index.js'
import { PAGE_BYTES } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import { settle, Wait } from '../maybe.js'
import { SEEK, type Caller, type Maybe } from '../tree.js'
import type { FileContent } from './file-content.js'
import { contentOrWait, type LoadParts } from './load-content.js'
import { firstRowAfter } from './rows.js'

/** Throws NO_SUCH_ADDRESS past the end and where no data follows, INVALID for other kinds. */
export function seek(parts: LoadParts, inode: Inode, offset: number, whence: number, caller: Caller): Maybe<number> {
  if (whence !== SEEK.DATA && whence !== SEEK.HOLE) throw new DriveError('INVALID', 'No such kind of seek.')
  if (offset < 0 || offset >= inode.size) throw pastEnd()
  return settle(() => {
    const content = contentOrWait(parts, inode, caller)
    if (content instanceof Wait) return content
    const extents = dataExtents(inode, content, offset)
    if (whence === SEEK.DATA) {
      const next = extents[0]
      if (next === undefined) throw pastEnd()
      return Math.max(offset, next.start)
    }
    let at = offset
    for (const { start, end } of extents) {
      if (start > at) break
      at = Math.max(at, end)
    }
    return Math.min(at, inode.size)
  })
}

/** Stretches with data that end after `offset`, in order of their start. */
function dataExtents(inode: Inode, content: FileContent, offset: number): { start: number; end: number }[] {
  const extents: { start: number; end: number }[] = []
  const add = (start: number, end: number): void => {
    const last = Math.min(end, inode.size)
    if (last > offset && start < last) extents.push({ start, end: last })
  }
  if (inode.inline !== undefined) add(0, inode.inline.length)
  const { rows, pages, pieces, tail } = content
  for (let i = firstRowAfter(rows, offset); i < rows.length; i++)
    add(rows[i]!.offset, rows[i]!.offset + rows[i]!.length)
  for (const [index, page] of pages) add(index * PAGE_BYTES, index * PAGE_BYTES + page.length)
  for (const piece of pieces) add(piece.start, piece.start + piece.limit)
  if (tail !== undefined) add(tail.start, tail.start + tail.length)
  return extents.sort((a, b) => a.start - b.start)
}

function pastEnd(): DriveError {
  return new DriveError('NO_SUCH_ADDRESS', 'The offset is past the end of the data.')
}
