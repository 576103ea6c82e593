/** chmod, chown, utimens and truncate by path or handle. */
import { DriveError, KIB } from '../../base/index.js'
import { S_IFMT } from '../../model/index.js'
import { contentOrWait } from '../content/load-content.js'
import { nextTurn, shrinkStep } from '../content/steps.js'
import { truncate, type TruncateParts } from '../content/truncate.js'
import { attributesOf, type Inode } from './inode.js'
import { followMode } from './xattrs.js'
import { settle, then, Wait } from '../maybe.js'
import { holding } from '../namespace/require.js'
import type { AttributeChange, Attributes, Caller, Maybe } from '../tree.js'
import type { WriteParts } from '../content/write.js'

/** The parts that attribute changes use. */
export type AttributeParts = WriteParts & TruncateParts

const S_ISUID = 0o4000
const S_ISGID = 0o2000
const S_IXGRP = 0o010

export function setAttributes(
  parts: AttributeParts,
  inode: Inode,
  change: AttributeChange,
  caller: Caller,
): Maybe<Attributes> {
  const { size } = change
  if (size === undefined) return applyChange(parts, inode, change)
  return then(setFileSize(parts, inode, size, caller), () => applyChange(parts, inode, change))
}

const MOST_PENDING_BYTES = 64 * KIB

/** ftruncate(2). Throws IS_A_DIRECTORY, INVALID. */
export function setFileSize(parts: AttributeParts, inode: Inode, size: number, caller: Caller): Maybe<void> {
  if (inode.isDirectory) throw new DriveError('IS_A_DIRECTORY', 'Is a directory.')
  if (!inode.isFile || size < 0) throw new DriveError('INVALID', 'Only the size of a file can be set.')
  if (size > inode.size) parts.room.require(parts.state.pendingBytes, 0)
  const result = settle(() => {
    const frozen = parts.committer.whenWritable()
    if (frozen !== undefined) return frozen
    const content = contentOrWait(parts, inode, caller)
    if (content instanceof Wait) return content
    // A file with many rows shrinks step by step: after a crash it has the size of one of the steps.
    const next = shrinkStep(parts, inode, size)
    if (next > size) {
      truncate(parts, inode, content, next)
      parts.inodes.markChanged(inode)
      return parts.state.pendingBytes > MOST_PENDING_BYTES ? new Wait(parts.committer.commit()) : nextTurn()
    }
    truncate(parts, inode, content, size)
    parts.inodes.stampChange(inode, true)
    parts.changes.changed(inode)
    parts.held.close(inode)
    return undefined
  })
  return result instanceof Promise ? holding(parts, [inode], result) : result
}

function applyChange(parts: AttributeParts, inode: Inode, change: AttributeChange): Attributes {
  const { mode, uid, gid, atime, mtime, ctime } = change
  parts.inodes.stampChange(inode, change.size !== undefined)
  parts.changes.changed(inode)
  const now = { sec: inode.ctimeSec, nsec: inode.ctimeNsec }
  if (uid !== undefined) inode.uid = uid
  if (gid !== undefined) inode.gid = gid
  if (mode !== undefined) {
    inode.mode = (inode.mode & S_IFMT) | (mode & ~S_IFMT)
    followMode(inode)
  } else if ((uid !== undefined || gid !== undefined) && !inode.isDirectory) clearSetId(inode)
  if (atime !== undefined) {
    const { sec, nsec } = atime === 'now' ? now : atime
    inode.atimeSec = sec
    inode.atimeNsec = nsec
  }
  if (mtime !== undefined) {
    const { sec, nsec } = mtime === 'now' ? now : mtime
    inode.mtimeSec = sec
    inode.mtimeNsec = nsec
  }
  if (ctime !== undefined) {
    inode.ctimeSec = ctime.sec
    inode.ctimeNsec = ctime.nsec
  }
  return attributesOf(inode)
}

function clearSetId(inode: Inode, isOfGroup = true): void {
  inode.mode &= ~S_ISUID
  if ((inode.mode & S_IXGRP) !== 0 || !isOfGroup) inode.mode &= ~S_ISGID
}

/** `Tree.dropSetId`. */
export function dropSetId(parts: AttributeParts, inode: Inode, caller: Caller): void {
  if ((inode.mode & (S_ISUID | S_ISGID)) === 0 || !inode.isFile) return
  const { mode } = inode
  clearSetId(inode, caller.uid === 0 || inode.gid === caller.gid)
  if (inode.mode === mode) return
  parts.inodes.stampChange(inode, false)
  parts.changes.changed(inode)
}
