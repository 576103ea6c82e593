/** chmod, chown, utimens and truncate by path or handle. */
import { DriveError } from '../../base/index.js'
import { closeContent } from '../content/file-content.js'
import { contentOrWait } from '../content/load-content.js'
import { truncate } from '../content/truncate.js'
import { attributesOf, type Inode } from './inode.js'
import { followMode } from './xattrs.js'
import { settle, then, Wait } from '../maybe.js'
import { holding } from '../namespace/require.js'
import type { AttributeChange, Attributes, Caller, Maybe } from '../tree.js'
import { stampChange, type Volume } from '../volume.js'

const S_IFMT = 0o170000
const S_ISUID = 0o4000
const S_ISGID = 0o2000
const S_IXGRP = 0o010

export function setAttributes(
  volume: Volume,
  inode: Inode,
  change: AttributeChange,
  caller: Caller,
): Maybe<Attributes> {
  const { size } = change
  if (size === undefined) return applyChange(volume, inode, change)
  return then(setFileSize(volume, inode, size, caller), () => applyChange(volume, inode, change))
}

/** ftruncate(2). Throws IS_A_DIRECTORY, INVALID. */
export function setFileSize(volume: Volume, inode: Inode, size: number, caller: Caller): Maybe<void> {
  if (inode.isDirectory) throw new DriveError('IS_A_DIRECTORY', 'Is a directory.')
  if (!inode.isFile || size < 0) throw new DriveError('INVALID', 'Only the size of a file can be set.')
  if (size > inode.size) volume.room.require(volume.meta.pendingBytes, 0)
  const result = settle(() => {
    const frozen = volume.committer.whenWritable()
    if (frozen !== undefined) return frozen
    const content = contentOrWait(volume, inode, caller)
    if (content instanceof Wait) return content
    truncate(volume, inode, content, size)
    stampChange(volume, inode, true)
    closeContent(volume, inode)
    return undefined
  })
  return result instanceof Promise ? holding(volume, [inode], result) : result
}

function applyChange(volume: Volume, inode: Inode, change: AttributeChange): Attributes {
  const { mode, uid, gid, atime, mtime, ctime } = change
  stampChange(volume, inode, change.size !== undefined)
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
export function dropSetId(volume: Volume, inode: Inode, caller: Caller): void {
  if ((inode.mode & (S_ISUID | S_ISGID)) === 0 || !inode.isFile) return
  const { mode } = inode
  clearSetId(inode, caller.uid === 0 || inode.gid === caller.gid)
  if (inode.mode !== mode) stampChange(volume, inode, false)
}
