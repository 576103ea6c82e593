/** lseek(2) with SEEK_DATA and SEEK_HOLE. */
import { DriveError } from '../../base/index.js'
import { PAGE_BYTES } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import { settle, Wait } from '../maybe.js'
import { SEEK, type Caller, type Maybe } from '../tree.js'
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
    if (data === undefined) return whence === SEEK.DATA ? offset : inode.size
    const block = Math.floor(offset / PAGE_BYTES)
    if (whence === SEEK.HOLE) return Math.min(inode.size, Math.max(offset, data.nextOut(block) * PAGE_BYTES))
    const next = data.nextIn(block)
    if (next === undefined) throw pastEnd()
    return Math.max(offset, next * PAGE_BYTES)
  })
}

function pastEnd(): DriveError {
  return new DriveError('NO_SUCH_ADDRESS', 'The offset is past the end of the data.')
}
