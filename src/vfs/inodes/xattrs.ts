/** Extended attributes, kept in the inode's row. An access ACL and the mode always show the same permissions. */
import { DriveError } from '../../base/index.js'
import { MOST_XATTR_BYTES, xattrBytes } from '../../model/index.js'
import {
  ACCESS_ACL,
  aclAfterChmod,
  applyAcl,
  checkAcl,
  DEFAULT_ACL,
  effectiveAcl,
  inheritedAcl,
  requireShortAcl,
  type AppliedAcl,
} from './acl.js'
import { TYPE } from '../../tree-state/index.js'
import type { Inode } from './inode.js'
import { XATTR, type Caller } from '../tree.js'
import type { Changes } from './changes.js'
import type { InodeTable } from './inode-table.js'
import { weighChanged } from '../memory/room-for-changes.js'

/** The parts that extended attributes use. */
export interface XattrParts {
  readonly inodes: InodeTable
  readonly changes: Changes
}

const MAX_NAME_BYTES = 255
const MAX_VALUE_BYTES = 64 * 1024
const NAMESPACES = ['user.', 'trusted.', 'security.']
const PERMISSIONS = 0o777
const S_ISGID = 0o2000

/** Throws NO_DATA, INVALID for a bare namespace, and NOT_SUPPORTED for other namespaces. */
export function getXattr(inode: Inode, name: string): Uint8Array {
  requireNamespace(name)
  const value = valueOf(inode, name)
  if (value === undefined) throw noData()
  return value
}

/** Of an ACL, what counts of it. */
function valueOf(inode: Inode, name: string): Uint8Array | undefined {
  const found = inode.xattrs.find((xattr) => xattr.name === name)
  return found !== undefined && isAcl(name) ? effectiveAcl(found.value) : found?.value
}

/** The names that the caller may see. */
export function listXattrs(inode: Inode, caller: Caller): readonly string[] {
  const names = inode.xattrs.map(({ name }) => name).filter((name) => valueOf(inode, name) !== undefined)
  return caller.uid === 0 ? names : names.filter((name) => !name.startsWith('trusted.'))
}

/**
 * An access ACL also sets the mode; one that is equivalent to the mode is not stored. Throws EXISTS, NO_DATA (by
 * flags), INVALID, NOT_SUPPORTED for other namespaces, ACCESS_DENIED for a default ACL of a file, OUT_OF_RANGE and
 * NO_SPACE when the attribute or the total is too long.
 */
export function setXattr(parts: XattrParts, inode: Inode, name: string, value: Uint8Array, flags: number): void {
  requireNamespace(name)
  if (name.length > MAX_NAME_BYTES) throw new DriveError('OUT_OF_RANGE', 'The attribute name is too long.')
  if (value.length > MAX_VALUE_BYTES) throw new DriveError('NO_SPACE', 'The attribute value is too long.')
  if (isAcl(name)) {
    setAcl(parts, inode, name, value, flags)
    return
  }
  const exists = inode.xattrs.some((xattr) => xattr.name === name)
  if (exists && (flags & XATTR.CREATE) !== 0) throw new DriveError('EXISTS', 'The attribute exists.')
  if (!exists && (flags & XATTR.REPLACE) !== 0) throw noData()
  put(inode, name, value)
  weighChanged(parts, inode)
  parts.inodes.stampChange(inode, false)
  parts.changes.changed(inode)
}

function put(inode: Inode, name: string, value: Uint8Array): void {
  const exists = inode.xattrs.some((xattr) => xattr.name === name)
  const added = { name, value: Uint8Array.prototype.slice.call(value) }
  const all = exists ? inode.xattrs.map((xattr) => (xattr.name === name ? added : xattr)) : [...inode.xattrs, added]
  const total = all.reduce((sum, xattr) => sum + xattrBytes(xattr.name, xattr.value), 0)
  if (total > MOST_XATTR_BYTES) throw new DriveError('NO_SPACE', 'The attributes of the file are too many or too long.')
  inode.xattrs = all
}

/** Throws NO_DATA, except for an ACL: without one the mode is the ACL. INVALID and NOT_SUPPORTED as above. */
export function removeXattr(parts: XattrParts, inode: Inode, name: string): void {
  requireNamespace(name)
  const kept = inode.xattrs.filter((xattr) => xattr.name !== name)
  if (kept.length === inode.xattrs.length) {
    if (isAcl(name)) return
    throw noData()
  }
  inode.xattrs = kept
  weighChanged(parts, inode)
  parts.inodes.stampChange(inode, false)
  parts.changes.changed(inode)
}

function setAcl(parts: XattrParts, inode: Inode, name: string, value: Uint8Array, flags: number): void {
  if (inode.type === TYPE.SYMLINK) throw new DriveError('NOT_SUPPORTED', 'A symbolic link has no access control list.')
  requireShortAcl(value)
  if (name === DEFAULT_ACL) {
    if (!inode.isDirectory) throw new DriveError('ACCESS_DENIED', 'Only a directory has a default ACL.')
    checkAcl(value)
    put(inode, name, value)
  } else {
    setAccess(inode, applyAcl(value))
    if ((flags & XATTR.DROP_SET_GROUP) !== 0) inode.mode &= ~S_ISGID
  }
  parts.inodes.stampChange(inode, false)
  parts.changes.changed(inode)
}

function setAccess(inode: Inode, { value, permissions }: AppliedAcl): void {
  if (value !== undefined) put(inode, ACCESS_ACL, value)
  else inode.xattrs = inode.xattrs.filter((xattr) => xattr.name !== ACCESS_ACL)
  inode.mode = (inode.mode & ~PERMISSIONS) | permissions
}

/** Updates the access ACL, if there is one, after a change of the mode. */
export function followMode(inode: Inode): void {
  const access = valueOf(inode, ACCESS_ACL)
  if (access !== undefined) put(inode, ACCESS_ACL, aclAfterChmod(access, inode.mode))
}

/**
 * A new inode inherits its ACLs from the directory's default ACL. Without one that counts, the caller's umask is
 * applied to its mode.
 */
export function inheritAcl(inode: Inode, parent: Inode, umask: number): void {
  if (inode.type === TYPE.SYMLINK) return
  const inherited = valueOf(parent, DEFAULT_ACL)
  if (inherited === undefined) {
    inode.mode &= ~(umask & PERMISSIONS)
    return
  }
  if (inode.isDirectory) put(inode, DEFAULT_ACL, inherited)
  setAccess(inode, inheritedAcl(inherited, inode.mode))
}

function isAcl(name: string): boolean {
  return name === ACCESS_ACL || name === DEFAULT_ACL
}

function requireNamespace(name: string): void {
  if (NAMESPACES.includes(name)) throw new DriveError('INVALID', 'The attribute has no name.')
  if (isAcl(name) || NAMESPACES.some((prefix) => name.startsWith(prefix))) return
  throw new DriveError('NOT_SUPPORTED', 'Attributes of this namespace are not supported.')
}

function noData(): DriveError {
  return new DriveError('NO_DATA', 'There is no such attribute.')
}
