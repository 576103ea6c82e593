/** Extended attributes, kept in the inode's row. */
import { DriveError } from '../../base/index.js'
import type { Inode } from './inode.js'
import { XATTR } from '../tree.js'
import { stampChange, type Volume } from '../volume.js'

const MAX_NAME_BYTES = 255
const MAX_VALUE_BYTES = 64 * 1024
/** All attributes of one file: its entry must fit into one block, that of the root into the commit. */
const MAX_TOTAL_BYTES = 96 * 1024
/** What an attribute counts for beyond its name (two bytes a character as UTF-8) and value. */
const OVERHEAD_BYTES = 16
const NAMESPACES = ['user.', 'trusted.', 'security.']

/** Throws NO_DATA, and NOT_SUPPORTED for other namespaces, among them ACLs: who hears that need not ask for each file. */
export function getXattr(inode: Inode, name: string): Uint8Array {
  requireNamespace(name)
  const found = inode.xattrs.find((xattr) => xattr.name === name)
  if (found === undefined) throw noData()
  return found.value
}

/** Throws EXISTS, NO_DATA (by flags), NOT_SUPPORTED for other namespaces, OUT_OF_RANGE and NO_SPACE for what is too long or too much. */
export function setXattr(volume: Volume, inode: Inode, name: string, value: Uint8Array, flags: number): void {
  requireNamespace(name)
  if (name.length > MAX_NAME_BYTES) throw new DriveError('OUT_OF_RANGE', 'The attribute name is too long.')
  if (value.length > MAX_VALUE_BYTES) throw new DriveError('NO_SPACE', 'The attribute value is too long.')
  const exists = inode.xattrs.some((xattr) => xattr.name === name)
  if (exists && (flags & XATTR.CREATE) !== 0) throw new DriveError('EXISTS', 'The attribute exists.')
  if (!exists && (flags & XATTR.REPLACE) !== 0) throw noData()
  const added = { name, value: Uint8Array.prototype.slice.call(value) }
  const all = exists ? inode.xattrs.map((xattr) => (xattr.name === name ? added : xattr)) : [...inode.xattrs, added]
  const total = all.reduce((sum, xattr) => sum + 2 * xattr.name.length + xattr.value.length + OVERHEAD_BYTES, 0)
  if (total > MAX_TOTAL_BYTES) throw new DriveError('NO_SPACE', 'The attributes of the file are too many or too long.')
  inode.xattrs = all
  stampChange(volume, inode, false)
}

/** Throws NO_DATA. */
export function removeXattr(volume: Volume, inode: Inode, name: string): void {
  const kept = inode.xattrs.filter((xattr) => xattr.name !== name)
  if (kept.length === inode.xattrs.length) throw noData()
  inode.xattrs = kept
  stampChange(volume, inode, false)
}

function requireNamespace(name: string): void {
  if (NAMESPACES.some((prefix) => name.startsWith(prefix))) return
  throw new DriveError('NOT_SUPPORTED', 'No such attributes here.')
}

function noData(): DriveError {
  return new DriveError('NO_DATA', 'There is no such attribute.')
}
