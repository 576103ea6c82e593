/** Attributes, extended attributes and filesystem statistics. */
import { DriveError, isDriveError } from '../../base/index.js'
import { isFile } from '../../model/index.js'
import { XATTR, type AttributeChange, type Attributes, type FilesystemStatistics } from '../../vfs/index.js'
import { ERRNO } from '../protocol/errno.js'
import { replyOk } from './names.js'
import {
  ACCESS_IN,
  GETXATTR_IN,
  REPLY_HEADER_BYTES,
  SETATTR_IN,
  SETATTR_VALID,
  SETXATTR_DROP_SET_GROUP,
  SETXATTR_IN,
} from '../protocol/protocol.js'
import { malformed, readExact, readString } from '../protocol/read-request.js'
import { putAttrOut, putStatfs, putStatxOut } from '../protocol/reply.js'
import type { Request } from '../protocol/request.js'
import type { MountSession } from './session.js'

/**
 * The kernel reads it before the first write of every open file. The mount is nosuid, so file capabilities have no
 * effect: they are never stored, and the answer is always that there are none.
 */
const CAPABILITY = 'security.capability'
/**
 * `ls -l` reads it from every file, until it learns once that labels are not supported. With SELinux, the kernel labels
 * a FUSE mount itself and does not read it.
 */
const LABEL = 'security.selinux'

const ACCESS_ACL = 'system.posix_acl_access'
const X_OK = 1

/** struct fuse_attr_out. */
export function replyAttributes(s: MountSession, r: Request, attributes: Attributes): void {
  s.send(r, putAttrOut(s.out, REPLY_HEADER_BYTES, attributes))
}

export function answerGetAttributes(s: MountSession, r: Request): void {
  s.settle(r, s.tree.getAttributes(r.nodeId, r), replyAttributes)
}

/**
 * access(2) and chdir(2) on a mount that only root can use. Everything is allowed except executing a file without any x
 * bit.
 */
export function answerAccess(s: MountSession, r: Request, at: number): void {
  const wantsToRun = (s.in.u32(at + ACCESS_IN.mask) & X_OK) !== 0
  s.settle(r, s.tree.getAttributes(r.nodeId, r), (session, request, { mode }) => {
    const isRefused = wantsToRun && isFile({ mode }) && (mode & 0o111) === 0
    if (isRefused) session.sendErrno(request, ERRNO.EACCES)
    else session.sendOk(request)
  })
}

export function answerStatx(s: MountSession, r: Request): void {
  s.settle(r, s.tree.getAttributes(r.nodeId, r), (session, request, attributes) => {
    session.send(request, putStatxOut(session.out, REPLY_HEADER_BYTES, attributes))
  })
}

export function answerSetAttributes(s: MountSession, r: Request, at: number): void {
  const valid = s.in.u32(at + SETATTR_IN.valid)
  const handle = (valid & SETATTR_VALID.HANDLE) !== 0 ? readExact(s, at + SETATTR_IN.handle) : undefined
  if ((valid & SETATTR_VALID.DROP_SET_ID) !== 0) s.tree.dropSetId(r.nodeId, r)
  s.settle(r, s.tree.setAttributes(r.nodeId, readChange(s, at, valid), handle, r), replyAttributes)
}

function readChange(s: MountSession, at: number, valid: number): AttributeChange {
  const change: { -readonly [K in keyof AttributeChange]: AttributeChange[K] } = {}
  if (valid & SETATTR_VALID.MODE) change.mode = s.in.u32(at + SETATTR_IN.mode)
  if (valid & SETATTR_VALID.UID) change.uid = s.in.u32(at + SETATTR_IN.uid)
  if (valid & SETATTR_VALID.GID) change.gid = s.in.u32(at + SETATTR_IN.gid)
  if (valid & SETATTR_VALID.SIZE) change.size = readExact(s, at + SETATTR_IN.size)
  if (valid & SETATTR_VALID.ATIME_NOW) change.atime = 'now'
  else if (valid & SETATTR_VALID.ATIME) change.atime = readTime(s, at + SETATTR_IN.atime, at + SETATTR_IN.atimeNsec)
  if (valid & SETATTR_VALID.MTIME_NOW) change.mtime = 'now'
  else if (valid & SETATTR_VALID.MTIME) change.mtime = readTime(s, at + SETATTR_IN.mtime, at + SETATTR_IN.mtimeNsec)
  if (valid & SETATTR_VALID.CTIME) change.ctime = readTime(s, at + SETATTR_IN.ctime, at + SETATTR_IN.ctimeNsec)
  return change
}

function readTime(s: MountSession, secAt: number, nsecAt: number): { sec: number; nsec: number } {
  const sec = s.in.i64(secAt)
  if (!Number.isSafeInteger(sec)) throw malformed()
  return { sec, nsec: s.in.u32(nsecAt) % 1_000_000_000 }
}

export function answerStatistics(s: MountSession, r: Request): void {
  s.settle(r, s.tree.statistics(r), (session, request, value: FilesystemStatistics) => {
    session.send(request, putStatfs(session.out, REPLY_HEADER_BYTES, value))
  })
}

export function answerGetXattr(s: MountSession, r: Request, at: number, end: number): void {
  const name = readString(s, at + GETXATTR_IN.bytes, end)
  if (name === CAPABILITY) {
    s.sendErrno(r, ERRNO.ENODATA)
    return
  }
  r.note = s.in.u32(at + GETXATTR_IN.size)
  try {
    s.settle(r, s.tree.getXattr(r.nodeId, name, r), replySized)
  } catch (error) {
    if (name !== LABEL || !isDriveError(error, 'NO_DATA')) throw error
    s.sendErrno(r, ERRNO.EOPNOTSUPP)
  }
}

export function answerListXattrs(s: MountSession, r: Request, at: number): void {
  r.note = s.in.u32(at + GETXATTR_IN.size)
  s.settle(r, s.tree.listXattrs(r.nodeId, r), (session, request, names) => {
    replySized(session, request, Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1'))
  })
}

/** `request.note` is the size of the caller's buffer; 0 requests only the size of the value. */
function replySized(s: MountSession, r: Request, value: Uint8Array): void {
  if (r.note === 0) {
    s.out.setU32(REPLY_HEADER_BYTES, value.length)
    s.out.setU32(REPLY_HEADER_BYTES + 4, 0)
    s.send(r, REPLY_HEADER_BYTES + 8)
  } else if (value.length > r.note) s.sendErrno(r, ERRNO.ERANGE)
  else s.sendData(r, [value])
}

export function answerSetXattr(s: MountSession, r: Request, at: number, end: number): void {
  const size = s.in.u32(at + SETXATTR_IN.size)
  const ownFlags = s.extendedSetXattr ? s.in.u32(at + SETXATTR_IN.ownFlags) : 0
  const dropsSetGroup = (ownFlags & SETXATTR_DROP_SET_GROUP) !== 0
  const flags = s.in.u32(at + SETXATTR_IN.flags) | (dropsSetGroup ? XATTR.DROP_SET_GROUP : 0)
  const name = readString(s, at + (s.extendedSetXattr ? SETXATTR_IN.bytes : SETXATTR_IN.compatBytes), end)
  if (s.cursor + size > end) throw malformed()
  if (name === CAPABILITY) throw new DriveError('NOT_SUPPORTED', 'File capabilities are not supported.')
  const value = Uint8Array.prototype.slice.call(s.in.bytes, s.cursor, s.cursor + size)
  const changesMode = name === ACCESS_ACL && !s.hasAcls
  s.settle(r, s.tree.setXattr(r.nodeId, name, value, flags, r), changesMode ? replyModeChanged : replyOk)
}

/** Unless the kernel handles ACLs itself, it does not know that an attribute changed the mode. */
function replyModeChanged(s: MountSession, r: Request): void {
  s.settle(r, s.dropAttributes(r.nodeId), replyOk)
}

export function answerRemoveXattr(s: MountSession, r: Request, at: number, end: number): void {
  s.settle(r, s.tree.removeXattr(r.nodeId, readString(s, at, end), r), replyOk)
}
