/** The `Tree` contract in memory: a reference for tests of transports. Nothing is durable. */
import { DriveError, type PlainName } from '../../../../src/base/index.js'
import {
  OPEN,
  RENAME,
  type Attributes,
  type Caller,
  type DirectoryListing,
  type NamePlace,
  type Opened,
  type Tree,
} from '../../../../src/vfs/index.js'
import { attributesOf, TYPE, type MemoryDirectory, type MemoryInode } from './memory-inode.js'
import { MemoryFiles } from './memory-files.js'
import type { Made } from './memory-inodes.js'

const SET_GROUP_ID = 0o2000
type Directory = MemoryInode & { directory: MemoryDirectory }

export class MemoryTree extends MemoryFiles implements Tree {
  lookup(parent: number, name: PlainName): Attributes | undefined {
    const entry = this.directory(parent).directory.entries.get(name)
    return entry === undefined ? undefined : attributesOf(this.inode(entry.ino))
  }

  readLink(ino: number): Uint8Array {
    const { target } = this.inode(ino)
    if (target === undefined) throw new DriveError('INVALID', 'That is not a symbolic link.')
    return target
  }

  makeDirectory(parent: number, name: PlainName, mode: number, caller: Caller): Attributes {
    const folder = this.directory(parent)
    const inherited = folder.mode & SET_GROUP_ID
    const made = this.makeNamed(folder, name, { mode: TYPE.DIRECTORY | (mode & 0o7777) | inherited }, caller)
    made.nlink = 2
    folder.nlink++
    return attributesOf(made)
  }

  makeNode(parent: number, name: PlainName, mode: number, rdev: number, caller: Caller): Attributes {
    return attributesOf(this.makeNamed(this.directory(parent), name, { mode, rdev }, caller))
  }

  makeSymlink(parent: number, name: PlainName, target: Uint8Array, caller: Caller): Attributes {
    return attributesOf(this.makeNamed(this.directory(parent), name, { mode: TYPE.SYMLINK | 0o777, target }, caller))
  }

  create(parent: number, name: PlainName, mode: number, flags: number, caller: Caller) {
    const inode = this.makeNamed(this.directory(parent), name, { mode: TYPE.FILE | (mode & 0o7777) }, caller)
    const opened = this.openHandle(inode, flags & ~OPEN.TRUNCATE)
    return { attributes: attributesOf(inode), opened }
  }

  private makeNamed(
    folder: Directory,
    name: PlainName,
    { mode, ...rest }: Omit<Made, 'uid' | 'gid' | 'parent'>,
    caller: Caller,
  ): MemoryInode {
    this.requireAlive(folder)
    if (folder.directory.entries.has(name)) throw new DriveError('EXISTS', 'The name exists.')
    const gid = (folder.mode & SET_GROUP_ID) !== 0 ? folder.gid : caller.gid
    const masked = rest.target === undefined ? mode & ~((caller.umask ?? 0) & 0o777) : mode
    const inode = this.make({ mode: masked, uid: caller.uid, gid, parent: folder.ino, ...rest })
    inode.nlink = 1
    this.enter(folder, name, inode.ino)
    return inode
  }

  private requireAlive(folder: MemoryInode): void {
    if (folder.nlink === 0) throw new DriveError('NOT_FOUND', 'The directory was removed.')
  }

  private enter(folder: Directory, name: PlainName, ino: number): void {
    folder.directory.entries.delete(name)
    folder.directory.entries.set(name, { ino, cookie: folder.directory.nextCookie++ })
    folder.mtime = folder.ctime = this.now()
  }

  link(ino: number, newParent: number, newName: PlainName): Attributes {
    const inode = this.inode(ino)
    const folder = this.directory(newParent)
    this.requireAlive(folder)
    if (inode.directory !== undefined) throw new DriveError('NOT_PERMITTED', 'Directories have one name.')
    if (inode.nlink === 0) throw new DriveError('NOT_FOUND', 'The file was removed.')
    if (folder.directory.entries.has(newName)) throw new DriveError('EXISTS', 'The name exists.')
    inode.nlink++
    inode.ctime = this.now()
    this.enter(folder, newName, ino)
    return attributesOf(inode)
  }

  unlink(parent: number, name: PlainName): void {
    const folder = this.directory(parent)
    const inode = this.child(folder, name)
    if (inode.directory !== undefined) throw new DriveError('IS_A_DIRECTORY', 'That is a directory.')
    this.removeEntry(folder, name, inode)
  }

  removeDirectory(parent: number, name: PlainName): void {
    const folder = this.directory(parent)
    const inode = this.child(folder, name)
    this.requireEmptyDirectory(inode)
    this.removeEntry(folder, name, inode)
  }

  private child(folder: Directory, name: PlainName): MemoryInode {
    const entry = folder.directory.entries.get(name)
    if (entry === undefined) throw new DriveError('NOT_FOUND', 'There is no such name.')
    return this.inode(entry.ino)
  }

  private requireEmptyDirectory(inode: MemoryInode): void {
    if (inode.directory === undefined) throw new DriveError('NOT_A_DIRECTORY', 'That is not a directory.')
    if (inode.directory.entries.size > 0) throw new DriveError('NOT_EMPTY', 'The directory is not empty.')
  }

  private removeEntry(folder: Directory, name: PlainName, inode: MemoryInode): void {
    folder.directory.entries.delete(name)
    folder.mtime = folder.ctime = inode.ctime = this.now()
    if (inode.directory === undefined) inode.nlink--
    else {
      inode.nlink = 0
      folder.nlink--
    }
    this.dropIfUnused(inode)
  }

  rename({ parent, name }: NamePlace, { parent: newParent, name: newName }: NamePlace, flags: number): void {
    if (flags !== 0 && flags !== RENAME.NO_REPLACE && flags !== RENAME.EXCHANGE) {
      throw new DriveError('INVALID', 'Unknown rename flags.')
    }
    const from = this.directory(parent)
    const to = this.directory(newParent)
    const moved = this.child(from, name)
    const entry = to.directory.entries.get(newName)
    const replaced = entry === undefined ? undefined : this.inode(entry.ino)
    this.requireAlive(to)
    this.requireOutside(moved, to)
    if (flags === RENAME.EXCHANGE) {
      if (replaced === undefined) throw new DriveError('NOT_FOUND', 'There is no such name.')
      this.requireOutside(replaced, from)
      this.move(replaced, to, from, name)
      this.move(moved, from, to, newName)
      return
    }
    if (replaced !== undefined) {
      if (flags === RENAME.NO_REPLACE) throw new DriveError('EXISTS', 'The name exists.')
      if (replaced === moved) return
      if (moved.directory !== undefined) this.requireEmptyDirectory(replaced)
      else if (replaced.directory !== undefined) throw new DriveError('IS_A_DIRECTORY', 'That is a directory.')
      this.removeEntry(to, newName, replaced)
    }
    from.directory.entries.delete(name)
    from.mtime = from.ctime = this.now()
    this.move(moved, from, to, newName)
  }

  /** Gives `inode` the name and updates the link counts of both folders. */
  private move(inode: MemoryInode, from: Directory, to: Directory, name: PlainName): void {
    this.enter(to, name, inode.ino)
    inode.ctime = this.now()
    if (inode.directory === undefined) return
    inode.directory.parent = to.ino
    from.nlink--
    to.nlink++
  }

  /** A directory cannot move into itself. */
  private requireOutside(moved: MemoryInode, folder: Directory): void {
    for (let at: Directory = folder; ; at = this.directory(at.directory.parent)) {
      if (at.ino === moved.ino) throw new DriveError('INVALID', 'A directory cannot move into itself.')
      if (at.directory.parent === at.ino) return
    }
  }

  openDirectory(ino: number): Opened {
    return this.openHandle(this.directory(ino), 0)
  }

  releaseDirectory(_ino: number, handle: number): void {
    this.closeHandle(handle)
  }

  readDirectory(ino: number, _handle: number, { cookie, withAttributes, visit }: DirectoryListing): void {
    for (const [name, entry] of this.directory(ino).directory.entries) {
      if (entry.cookie <= cookie) continue
      const inode = this.inode(entry.ino)
      const attributes = withAttributes ? attributesOf(inode) : undefined
      if (!visit({ name, ino: entry.ino, type: inode.mode >>> 12, cookie: entry.cookie, attributes })) return
    }
  }
}
