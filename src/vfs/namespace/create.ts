/** New names: files, directories, nodes, symlinks and hard links. */
import { DriveError, type PlainName } from '../../base/index.js'
import { TYPE } from '../../tree-state/index.js'
import { attributesOf, type Inode } from '../inodes/inode.js'
import { addLink } from '../inodes/links.js'
import { inheritAcl } from '../inodes/xattrs.js'
import type { Attributes, Caller, Maybe } from '../tree.js'
import { stampChange, type Volume } from '../volume.js'
import { requireAbsent, withEntries, writableDirectory } from './require.js'

const S_ISGID = 0o2000
const MAX_TARGET_BYTES = 4095

/** Makes an inode of any type but directory under a new name. Throws EXISTS. */
export function makeInode(
  volume: Volume,
  parentIno: number,
  name: PlainName,
  what: { mode: number; rdev?: number; inline?: Uint8Array },
  caller: Caller,
): Maybe<Inode> {
  const parent = writableDirectory(volume, parentIno)
  return withEntries(volume, [parent], caller, () => {
    requireAbsent(volume, parent, name)
    const inode = volume.inodes.create({
      mode: what.mode,
      uid: caller.uid,
      gid: groupFor(parent, caller),
      nlink: 1,
      rdev: what.rdev ?? 0,
      parent: parent.ino,
      ...(what.inline === undefined ? {} : { inline: what.inline }),
    })
    inheritAcl(inode, parent, caller.umask ?? 0)
    enter(volume, parent, name, inode)
    return inode
  })
}

export function makeDirectory(
  volume: Volume,
  parentIno: number,
  name: PlainName,
  mode: number,
  caller: Caller,
): Maybe<Attributes> {
  const parent = writableDirectory(volume, parentIno)
  return withEntries(volume, [parent], caller, () => {
    requireAbsent(volume, parent, name)
    const inode = volume.inodes.create({
      mode: (mode & 0o1777) | (parent.mode & S_ISGID) | (TYPE.DIRECTORY << 12),
      uid: caller.uid,
      gid: groupFor(parent, caller),
      nlink: 2,
      rdev: 0,
      parent: parent.ino,
    })
    inheritAcl(inode, parent, caller.umask ?? 0)
    volume.directories.begin(inode)
    parent.nlink++
    enter(volume, parent, name, inode)
    return attributesOf(inode)
  })
}

/** FIFOs, sockets, devices and plain files. Throws INVALID for other types. */
export function makeNode(
  volume: Volume,
  parent: number,
  name: PlainName,
  mode: number,
  rdev: number,
  caller: Caller,
): Maybe<Inode> {
  const type = mode >>> 12
  const isNode = type === TYPE.FIFO || type === TYPE.SOCKET || type === TYPE.CHAR || type === TYPE.BLOCK
  if (!isNode && type !== TYPE.FILE) throw new DriveError('INVALID', 'No such type of file can be made.')
  return makeInode(volume, parent, name, { mode, rdev: type === TYPE.CHAR || type === TYPE.BLOCK ? rdev : 0 }, caller)
}

export function makeSymlink(
  volume: Volume,
  parent: number,
  name: PlainName,
  target: Uint8Array,
  caller: Caller,
): Maybe<Inode> {
  if (target.length > MAX_TARGET_BYTES) throw new DriveError('NAME_TOO_LONG', 'The target of the link is too long.')
  return makeInode(volume, parent, name, { mode: (TYPE.SYMLINK << 12) | 0o777, inline: target.slice() }, caller)
}

export function link(
  volume: Volume,
  ino: number,
  newParent: number,
  newName: PlainName,
  caller: Caller,
): Maybe<Attributes> {
  const inode = volume.inodes.get(ino)
  if (inode.isDirectory) throw new DriveError('NOT_PERMITTED', 'A directory has one name only.')
  if (inode.nlink === 0) throw new DriveError('NOT_FOUND', 'The file was removed.')
  const parent = writableDirectory(volume, newParent)
  return withEntries(volume, [parent, inode], caller, () => {
    requireAbsent(volume, parent, newName)
    addLink(volume, inode, parent.ino, newName)
    enter(volume, parent, newName, inode)
    stampChange(volume, inode, false)
    return attributesOf(inode)
  })
}

function enter(volume: Volume, parent: Inode, name: PlainName, inode: Inode): void {
  inode.hint = name
  volume.directories.set(parent, name, inode.ino, inode.type)
  stampChange(volume, parent, true)
}

function groupFor(parent: Inode, caller: Caller): number {
  return (parent.mode & S_ISGID) === 0 ? caller.gid : parent.gid
}
