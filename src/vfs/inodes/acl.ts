/**
 * POSIX ACLs in the format of their extended attributes (linux/posix_acl_xattr.h): version 2 as uint32, then entries
 * with tag and permissions (uint16 each) and an id (uint32), all little-endian, sorted by tag. Pure: no inode, no tree.
 */
import { DriveError, isDriveError } from '../../base/index.js'

export const ACCESS_ACL = 'system.posix_acl_access'
export const DEFAULT_ACL = 'system.posix_acl_default'

const VERSION = 2
const HEADER_BYTES = 4
const ENTRY_BYTES = 8
const TAG = { USER_OBJ: 1, USER: 2, GROUP_OBJ: 4, GROUP: 8, MASK: 16, OTHER: 32 } as const
const PERMISSIONS = 0o777
/** The kernel reads no longer ACL of a FUSE file (fs/fuse/acl.c); it would refuse every access with E2BIG. */
const MOST_ACL_BYTES = 4096

interface Entry {
  readonly tag: number
  permissions: number
  readonly id: number
}

/** The effect of an ACL on a file: its bytes, undefined when the mode is equivalent, and the nine bits of the mode. */
export interface AppliedAcl {
  readonly value: Uint8Array | undefined
  readonly permissions: number
}

/**
 * The ACL that counts for an attribute that another device may have made; it allows nobody more than the attribute.
 * Without the named users and groups if it is too long: their rights then limit those of the group and of others.
 * @returns undefined for bytes that are not an ACL: the mode alone counts
 */
export function effectiveAcl(value: Uint8Array): Uint8Array | undefined {
  if (!isAclValue(value)) return undefined
  if (value.length <= MOST_ACL_BYTES) return value
  const entries = parse(value)
  const isNamed = ({ tag }: Entry): boolean => tag === TAG.USER || tag === TAG.GROUP
  const common = entries.filter(isNamed).reduce((rights, { permissions }) => rights & permissions, 7)
  const rest = entries.filter((entry) => !isNamed(entry))
  for (const entry of rest) if (entry.tag === TAG.GROUP_OBJ || entry.tag === TAG.OTHER) entry.permissions &= common
  return encode(rest)
}

/** Throws NO_SPACE for an ACL that is too long for the kernel. */
export function requireShortAcl(value: Uint8Array): void {
  if (value.length > MOST_ACL_BYTES) throw new DriveError('NO_SPACE', 'The access control list is too long.')
}

function isAclValue(value: Uint8Array): boolean {
  try {
    checkAcl(value)
    return true
  } catch (error) {
    if (isDriveError(error, 'INVALID')) return false
    throw error
  }
}

/** The mode that results from this access ACL. Throws INVALID for bytes that are not an ACL. */
export function applyAcl(value: Uint8Array): AppliedAcl {
  return applied(parse(value))
}

/** Throws INVALID for bytes that are not an ACL. */
export function checkAcl(value: Uint8Array): void {
  parse(value)
}

/**
 * chmod(2) of a file with this access ACL. The mode sets the entries of owner and others, and the mask; without a mask,
 * the entry of the group.
 */
export function aclAfterChmod(value: Uint8Array, mode: number): Uint8Array {
  const entries = parse(value)
  classesOf(entries).forEach((entry, shift) => (entry.permissions = (mode >> (6 - 3 * shift)) & 7))
  return encode(entries)
}

/** The access ACL of a file created with `mode` in a directory with this default ACL: the intersection of both. */
export function inheritedAcl(value: Uint8Array, mode: number): AppliedAcl {
  const entries = parse(value)
  classesOf(entries).forEach((entry, shift) => (entry.permissions &= (mode >> (6 - 3 * shift)) & 7))
  return applied(entries)
}

function applied(entries: readonly Entry[]): AppliedAcl {
  const permissions = classesOf(entries).reduce((bits, entry) => (bits << 3) | entry.permissions, 0) & PERMISSIONS
  return { permissions, value: entries.length > 3 ? encode(entries) : undefined }
}

/** The entries that correspond to the mode's three classes: owner, mask or group, others. */
function classesOf(entries: readonly Entry[]): Entry[] {
  const find = (tag: number): Entry | undefined => entries.find((entry) => entry.tag === tag)
  return [find(TAG.USER_OBJ)!, find(TAG.MASK) ?? find(TAG.GROUP_OBJ)!, find(TAG.OTHER)!]
}

function parse(value: Uint8Array): Entry[] {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  const count = (value.length - HEADER_BYTES) / ENTRY_BYTES
  if (!Number.isInteger(count) || count < 3 || view.getUint32(0, true) !== VERSION) throw invalid()
  const entries = Array.from({ length: count }, (_, i) => {
    const at = HEADER_BYTES + i * ENTRY_BYTES
    const entry = {
      tag: view.getUint16(at, true),
      permissions: view.getUint16(at + 2, true),
      id: view.getUint32(at + 4, true),
    }
    return entry
  })
  check(entries)
  return entries
}

/** One owner, one group, one others; a mask where there are named users or groups; sorted by tag. */
function check(entries: readonly Entry[]): void {
  const counts = new Map<number, number>()
  let last = 0
  for (const { tag, permissions } of entries) {
    if (tag < last || permissions > 7) throw invalid()
    last = tag
    counts.set(tag, (counts.get(tag) ?? 0) + 1)
  }
  const { USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER } = TAG
  const known: readonly number[] = [USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER]
  const needsMask = counts.has(USER) || counts.has(GROUP)
  const masks = counts.get(MASK) ?? 0
  const hasOneEach = [USER_OBJ, GROUP_OBJ, OTHER].every((tag) => counts.get(tag) === 1)
  if (!hasOneEach || masks > 1 || (needsMask && masks === 0)) throw invalid()
  if ([...counts.keys()].some((tag) => !known.includes(tag))) throw invalid()
}

function encode(entries: readonly Entry[]): Uint8Array {
  const value = new Uint8Array(HEADER_BYTES + entries.length * ENTRY_BYTES)
  const view = new DataView(value.buffer)
  view.setUint32(0, VERSION, true)
  entries.forEach(({ tag, permissions, id }, i) => {
    const at = HEADER_BYTES + i * ENTRY_BYTES
    view.setUint16(at, tag, true)
    view.setUint16(at + 2, permissions, true)
    view.setUint32(at + 4, id, true)
  })
  return value
}

function invalid(): DriveError {
  return new DriveError('INVALID', 'The bytes are not an access control list.')
}
