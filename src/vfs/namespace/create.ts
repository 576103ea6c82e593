/** Creates names: files, directories, device nodes, symlinks and hard links. */
import { DriveError, type PlainName } from '../../base/index.js'
import { TYPE } from '../../tree-state/index.js'
import { attributesOf, type Inode } from '../inodes/inode.js'
import { needsIno, type InoParts } from '../inodes/ino-reservation.js'
import { changeSubdirectories, EMPTY_DIRECTORY_LINKS, requireRoomForSubdirectory } from './link-count.js'
import { addLink } from '../inodes/links.js'
import { inheritAcl } from '../inodes/xattrs.js'
import type { Attributes, Caller, Maybe } from '../tree.js'
import { requireAbsent, changingEntries, writableDirectory, type LookupParts } from './require.js'
import type { Changes } from '../inodes/changes.js'

/** The parts that operations on names use. */
export interface NamespaceParts extends LookupParts, InoParts {
  readonly state: InoParts['state']
  readonly changes: Changes
}

const S_ISGID = 0o2000
const MAX_TARGET_BYTES = 4095

/** Creates an inode of any type except directory under a new name. Throws EXISTS. */
export function makeInode(
  parts: NamespaceParts,
  parentIno: number,
  name: PlainName,
  what: { mode: number; rdev?: number; inline?: Uint8Array },
  caller: Caller,
): Maybe<Inode> {
  const parent = writableDirectory(parts, parentIno)
  return changingEntries(parts, [parent], caller, () => {
    requireAbsent(parts, parent, name)
    const wait = needsIno(parts)
    if (wait !== undefined) return wait
    const inode = parts.inodes.create({
      mode: what.mode,
      uid: caller.uid,
      gid: groupFor(parent, caller),
      nlink: 1,
      rdev: what.rdev ?? 0,
      parent: parent.ino,
      ...(what.inline === undefined ? {} : { inline: what.inline }),
    })
    inheritAcl(inode, parent, caller.umask ?? 0)
    enter(parts, parent, name, inode)
    return inode
  })
}

export function makeDirectory(
  parts: NamespaceParts,
  parentIno: number,
  name: PlainName,
  mode: number,
  caller: Caller,
): Maybe<Attributes> {
  const parent = writableDirectory(parts, parentIno)
  return changingEntries(parts, [parent], caller, () => {
    requireAbsent(parts, parent, name)
    requireRoomForSubdirectory(parent)
    const wait = needsIno(parts)
    if (wait !== undefined) return wait
    const inode = parts.inodes.create({
      mode: (mode & 0o1777) | (parent.mode & S_ISGID) | (TYPE.DIRECTORY << 12),
      uid: caller.uid,
      gid: groupFor(parent, caller),
      nlink: EMPTY_DIRECTORY_LINKS,
      rdev: 0,
      parent: parent.ino,
    })
    inheritAcl(inode, parent, caller.umask ?? 0)
    parts.directories.begin(inode)
    changeSubdirectories(parent, 1)
    enter(parts, parent, name, inode)
    return attributesOf(inode)
  })
}

/** FIFOs, sockets, devices and plain files. Throws INVALID for other types. */
export function makeNode(
  parts: NamespaceParts,
  parent: number,
  name: PlainName,
  { mode, rdev }: { readonly mode: number; readonly rdev: number },
  caller: Caller,
): Maybe<Inode> {
  const type = mode >>> 12
  const isNode = type === TYPE.FIFO || type === TYPE.SOCKET || type === TYPE.CHAR || type === TYPE.BLOCK
  if (!isNode && type !== TYPE.FILE) throw new DriveError('INVALID', 'Files of this type cannot be created.')
  return makeInode(parts, parent, name, { mode, rdev: type === TYPE.CHAR || type === TYPE.BLOCK ? rdev : 0 }, caller)
}

export function makeSymlink(
  parts: NamespaceParts,
  parent: number,
  name: PlainName,
  target: Uint8Array,
  caller: Caller,
): Maybe<Inode> {
  if (target.length > MAX_TARGET_BYTES) throw new DriveError('NAME_TOO_LONG', 'The target of the link is too long.')
  return makeInode(parts, parent, name, { mode: (TYPE.SYMLINK << 12) | 0o777, inline: target.slice() }, caller)
}

export function link(
  parts: NamespaceParts,
  ino: number,
  newParent: number,
  newName: PlainName,
  caller: Caller,
): Maybe<Attributes> {
  const inode = parts.inodes.get(ino)
  if (inode.isDirectory) throw new DriveError('NOT_PERMITTED', 'A directory cannot have a second name.')
  if (inode.nlink === 0) throw new DriveError('NOT_FOUND', 'The file was removed.')
  const parent = writableDirectory(parts, newParent)
  return changingEntries(parts, [parent, inode], caller, () => {
    requireAbsent(parts, parent, newName)
    addLink(parts, inode, parent.ino, newName)
    enter(parts, parent, newName, inode)
    parts.inodes.stampChange(inode, false)
    return attributesOf(inode)
  })
}

function enter(parts: NamespaceParts, parent: Inode, name: PlainName, inode: Inode): void {
  inode.hint = name
  parts.directories.set(parent, name, inode.ino, inode.type)
  parts.inodes.stampChange(parent, true)
  parts.changes.added(inode, parent.ino, name)
}

/** The group of a new file in this directory. */
export function groupFor(parent: Inode, caller: Caller): number {
  return (parent.mode & S_ISGID) === 0 ? caller.gid : parent.gid
}
