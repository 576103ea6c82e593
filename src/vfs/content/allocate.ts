/** fallocate(2): extends, punches holes, and zeroes. */
import { DriveError, GIB, MIB } from '../../base/index.js'
import type { Inode } from '../inodes/inode.js'
import { settle, Wait } from '../maybe.js'
import { FALLOCATE, type AllocatedRange, type Caller, type Maybe } from '../tree.js'
import { closeTail } from '../staging/stage.js'
import { contentOrWait } from './load-content.js'
import { truncate, type TruncateParts } from './truncate.js'
import { zeroRange } from './zero-range.js'
import type { WriteParts } from './write.js'

/** The parts that fallocate uses. */
export type AllocateParts = WriteParts & TruncateParts

const { KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE } = FALLOCATE

/** A large range is zeroed step by step; after a crash, some of the steps are done. */
const ZERO_STEP_BYTES = GIB
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
      for (let at = offset; at < Math.min(end, inode.size); at += ZERO_STEP_BYTES) {
        zeroRange(parts, inode, content, at, Math.min(end, inode.size, at + ZERO_STEP_BYTES))
        // A retry is cheap: the range that is zero already costs little.
        if (parts.state.pendingBytes > MOST_PENDING_BYTES) return new Wait(parts.committer.commit())
      }
    }
    if (extends_ && end > inode.size) truncate(parts, inode, content, end)
    if (mode === KEEP_SIZE) return undefined
    parts.inodes.stampChange(inode, true)
    parts.changes.changed(inode)
    return undefined
  })
}
