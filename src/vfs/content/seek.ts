/** lseek(2) with SEEK_DATA and SEEK_HOLE. */
import { DriveError } from '../../base/index.js'
import { PAGE_BYTES } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import { settle, Wait } from '../maybe.js'
import { SEEK, type Caller, type Maybe } from '../tree.js'
import type { FileContent } from './file-content.js'
import { contentOrWait, type LoadParts } from './load-content.js'

/** Throws NO_SUCH_ADDRESS past the end and where no data follows, INVALID for other values of whence. */
export function seek(parts: LoadParts, inode: Inode, offset: number, whence: number, caller: Caller): Maybe<number> {
  if (whence !== SEEK.DATA && whence !== SEEK.HOLE)
    throw new DriveError('INVALID', 'This kind of seek is not supported.')
  if (offset < 0 || offset >= inode.size) throw pastEnd()
  return settle(() => {
    const content = contentOrWait(parts, inode, caller)
    if (content instanceof Wait) return content
    const { data } = content
    if (content.isUncounted) return seekInLayers(inode, content, { offset, isForData: whence === SEEK.DATA })
    if (data === undefined) return whence === SEEK.DATA ? offset : inode.size
    const block = Math.floor(offset / PAGE_BYTES)
    if (whence === SEEK.HOLE) return Math.min(inode.size, Math.max(offset, data.nextOut(block) * PAGE_BYTES))
    const next = data.nextIn(block)
    if (next === undefined) throw pastEnd()
    return Math.max(offset, next * PAGE_BYTES)
  })
}

/** Pieces of data looked at in one turn. */
const MOST_PIECES = 16_384

/**
 * For a file with too many pieces of data for a set of blocks. A hole behind very many adjacent pieces may not be
 * found: lseek(2) lets a file system report a hole as data.
 */
function seekInLayers(
  inode: Inode,
  content: FileContent,
  { offset, isForData }: { readonly offset: number; readonly isForData: boolean },
): number {
  let at = offset
  for (let looks = 0; looks < MOST_PIECES && at < inode.size; looks++) {
    const next = nextData(content, at)
    if (isForData) {
      if (next === undefined || next.start >= inode.size) throw pastEnd()
      return Math.max(offset, next.start)
    }
    if (next === undefined || next.start > at) return at
    at = next.end
  }
  return inode.size
}

/** The first piece of data that ends after `at`, in whole blocks. */
function nextData({ rows, pages, pieces, tail }: FileContent, at: number): { start: number; end: number } | undefined {
  let found: { start: number; end: number } | undefined
  const note = (start: number, end: number): void => {
    if (end <= at || (found !== undefined && found.start <= start)) return
    found = { start: blockStart(start), end: blockStart(end + PAGE_BYTES - 1) }
  }
  const row = rows.after(at)
  if (row !== undefined) note(row.offset, row.offset + row.length)
  const page = pages.between(Math.floor(at / PAGE_BYTES), Infinity).next()
  if (page.done !== true) note(page.value * PAGE_BYTES, (page.value + 1) * PAGE_BYTES)
  for (const { start, limit } of pieces) if (limit > 0) note(start, start + limit)
  if (tail !== undefined && tail.length > 0) note(tail.start, tail.start + tail.length)
  return found
}

const blockStart = (offset: number): number => Math.floor(offset / PAGE_BYTES) * PAGE_BYTES

function pastEnd(): DriveError {
  return new DriveError('NO_SUCH_ADDRESS', 'The offset is past the end of the data.')
}
