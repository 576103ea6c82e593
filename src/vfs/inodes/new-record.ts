/** The record of an inode that is made now. */
import type { FileId } from '../../base/index.js'
import { bareAttributes, type Mutable, type Timestamp } from '../../model/index.js'
import type { InodeRecord } from '../../tree-state/index.js'

/** Smaller cookies are reserved for `.` and `..`. */
export const FIRST_COOKIE = 3

/** The fields of a new inode that its maker chooses. */
export interface NewInode {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly nlink: number
  readonly rdev: number
  readonly parent: number
  readonly inline?: Uint8Array
  /** By default the next free number. */
  readonly ino?: number
}

/** All four times are `now`. */
export function newRecord(fields: NewInode, ino: number, fileId: FileId, { sec, nsec }: Timestamp): InodeRecord {
  const { mode, uid, gid, nlink, rdev, parent, inline } = fields
  const record = bareAttributes(fileId, mode) as Mutable<InodeRecord>
  record.uid = uid
  record.gid = gid
  record.nlink = nlink
  record.rdev = rdev
  record.size = inline?.length ?? 0
  record.atimeSec = record.mtimeSec = record.ctimeSec = record.btimeSec = sec
  record.atimeNsec = record.mtimeNsec = record.ctimeNsec = record.btimeNsec = nsec
  // One by one: Object.assign takes three times as long as the rest of this function.
  record.ino = ino
  record.parent = parent
  record.nextCookie = FIRST_COOKIE
  record.inline = inline
  record.ref = undefined
  record.unloaded = false
  return record
}
