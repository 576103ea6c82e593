/** fallocate(2): extends, punches holes, and zeroes. */
import { DriveError, MIB } from '../../base/index.js'
import type { Inode } from '../inodes/inode.js'
import { settle, Wait } from '../maybe.js'
import { FALLOCATE, type AllocatedRange, type Caller, type Maybe } from '../tree.js'
import { closeTail } from '../staging/stage.js'
import { contentOrWait } from './load-content.js'
import { nextTurn, stepEnd } from './steps.js'
import { truncate, type TruncateParts } from './truncate.js'
import { zeroRange } from './zero-range.js'
import type { WriteParts } from './write.js'

/** The parts that fallocate uses. */
export type AllocateParts = WriteParts & TruncateParts

const { KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE } = FALLOCATE

/** A range with many rows is zeroed step by step; after a crash, some of the steps are done. */
const MOST_PENDING_BYTES = 4 * MIB

/** Does not reserve space: blocks are created when data is written. Throws NOT_SUPPORTED for other modes, INVALID. */
export function allocate(
  parts: AllocateParts,
  inode: Inode,
  { mode, offset, length }: AllocatedRange,
  caller: Caller,
): Maybe<void> {
  if (offset < 0 || length <= 0) throw new DriveError('INVALID', 'The range is empty or begins before the file.')
  const zeroes = mode === (PUNCH_HOLE | KEEP_SIZE) || (mode & ~KEEP_SIZE) === ZERO_RANGE
  if (!zeroes && mode !== 0 && mode !== KEEP_SIZE) {
    throw new DriveError('NOT_SUPPORTED', 'This fallocate mode is not supported.')
  }
  const end = offset + length
  const extends_ = (mode & KEEP_SIZE) === 0 && end > inode.size
  if (mode === 0 || mode === KEEP_SIZE) parts.room.require(parts.state.pendingBytes, Math.max(0, end - inode.size))
  return settle(() => {
    const frozen = parts.committer.whenWritable()
    if (frozen !== undefined) return frozen
    const content = contentOrWait(parts, inode, caller)
    if (content instanceof Wait) return content
    if (zeroes) {
      // The tail would write the zeros as data.
      const closing = closeTail(parts, inode, content)
      if (closing !== undefined) return closing
      if (content.pieces.length > 0) return new Wait(parts.sealing.settle(inode, content.pieces))
      const last = Math.min(end, inode.size)
      const next = stepEnd(parts, inode.ino, Math.min(offset, last), last)
      zeroRange(parts, inode, content, offset, next)
      // The next try finds no rows in what is zero already.
      if (next < last)
        return parts.state.pendingBytes > MOST_PENDING_BYTES ? new Wait(parts.committer.commit()) : nextTurn()
    }
    if (extends_ && end > inode.size) truncate(parts, inode, content, end)
    if (mode === KEEP_SIZE) return undefined
    parts.inodes.stampChange(inode, true)
    parts.changes.changed(inode)
    return undefined
  })
}
