/** The inode table of the in-memory tree: creating, keeping and dropping inodes, and their attributes. */
import { DriveError, systemClock, type Clock } from '../../../../src/base/index.js'
import {
  ROOT_INO,
  XATTR,
  type AttributeChange,
  type Attributes,
  type Caller,
  type FilesystemStatistics,
  type Invalidation,
} from '../../../../src/vfs/index.js'
import {
  attributesOf,
  TYPE,
  TYPE_MASK,
  type MemoryDirectory,
  type MemoryInode,
  type MemoryTime,
} from './memory-inode.js'
import { SparseBytes } from './sparse-bytes.js'

export const MAX_FILE_BYTES = 2 ** 50

/** The fields of a new inode; `target` is for a symlink. */
export interface Made {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly parent: number
  readonly rdev?: number
  readonly target?: Uint8Array
}

export class MemoryInodes {
  protected readonly inodes = new Map<number, MemoryInode>()
  private readonly listeners: ((what: Invalidation) => void)[] = []
  private nextIno = ROOT_INO
  private readonly clock: Clock

  constructor(options: { clock?: Clock; uid?: number; gid?: number } = {}) {
    this.clock = options.clock ?? systemClock
    const root = this.make({
      mode: TYPE.DIRECTORY | 0o755,
      uid: options.uid ?? 0,
      gid: options.gid ?? 0,
      parent: ROOT_INO,
    })
    root.nlink = 2
  }

  /** Number of inodes; 1 for an empty tree. */
  get inodeCount(): number {
    return this.inodes.size
  }

  protected now(): MemoryTime {
    return this.clock.now()
  }

  protected make({ mode, uid, gid, parent, rdev = 0, target }: Made): MemoryInode {
    const time = this.now()
    const type = mode & TYPE_MASK
    const directory: MemoryDirectory | undefined =
      type === TYPE.DIRECTORY ? { parent, entries: new Map(), nextCookie: 1 } : undefined
    const inode: MemoryInode = {
      ino: this.nextIno++,
      mode,
      nlink: 0,
      uid,
      gid,
      rdev,
      size: target?.length ?? 0,
      atime: time,
      mtime: time,
      ctime: time,
      btime: time,
      directory,
      target,
      bytes: type === TYPE.FILE ? new SparseBytes() : undefined,
      xattrs: new Map(),
      lookups: 0,
      handles: 0,
    }
    this.inodes.set(inode.ino, inode)
    return inode
  }

  protected inode(ino: number): MemoryInode {
    const inode = this.inodes.get(ino)
    if (inode === undefined) throw new DriveError('STALE', 'The file is gone.')
    return inode
  }

  protected directory(ino: number): MemoryInode & { directory: MemoryDirectory } {
    const inode = this.inode(ino)
    if (inode.directory === undefined) throw new DriveError('NOT_A_DIRECTORY', 'That is not a directory.')
    return inode as MemoryInode & { directory: MemoryDirectory }
  }

  protected file(ino: number): MemoryInode & { bytes: SparseBytes } {
    const inode = this.inode(ino)
    if (inode.directory !== undefined) throw new DriveError('IS_A_DIRECTORY', 'That is a directory.')
    if (inode.bytes === undefined) throw new DriveError('INVALID', 'That is not a regular file.')
    return inode as MemoryInode & { bytes: SparseBytes }
  }

  protected dropIfUnused(inode: MemoryInode): void {
    if (inode.nlink === 0 && inode.lookups === 0 && inode.handles === 0) this.inodes.delete(inode.ino)
  }

  parentOf(ino: number): number {
    return this.directory(ino).directory.parent
  }

  remember(ino: number): void {
    this.inode(ino).lookups++
  }

  forget(ino: number, count: number): void {
    const inode = this.inodes.get(ino)
    if (inode === undefined) return
    inode.lookups = Math.max(0, inode.lookups - count)
    this.dropIfUnused(inode)
  }

  forgetAll(): void {
    for (const inode of this.inodes.values()) {
      inode.lookups = 0
      this.dropIfUnused(inode)
    }
  }

  getAttributes(ino: number): Attributes {
    return attributesOf(this.inode(ino))
  }

  dropSetId(ino: number, caller: Caller): void {
    const inode = this.inode(ino)
    if ((inode.mode & TYPE_MASK) !== TYPE.FILE) return
    const isGroupDropped = (inode.mode & 0o010) !== 0 || (caller.uid !== 0 && inode.gid !== caller.gid)
    inode.mode &= isGroupDropped ? ~0o6000 : ~0o4000
  }

  setAttributes(ino: number, change: AttributeChange): Attributes {
    const inode = this.inode(ino)
    const now = this.now()
    if (change.size !== undefined) this.resize(this.file(ino), change.size)
    if (change.mode !== undefined) inode.mode = (inode.mode & TYPE_MASK) | (change.mode & 0o7777)
    if (change.uid !== undefined) inode.uid = change.uid
    if (change.gid !== undefined) inode.gid = change.gid
    if (change.atime !== undefined) inode.atime = change.atime === 'now' ? now : { ...change.atime }
    if (change.mtime !== undefined) inode.mtime = change.mtime === 'now' ? now : { ...change.mtime }
    inode.ctime = change.ctime === undefined ? now : { ...change.ctime }
    return attributesOf(inode)
  }

  protected resize(inode: MemoryInode & { bytes: SparseBytes }, size: number): void {
    if (size > MAX_FILE_BYTES) throw new DriveError('FILE_TOO_LARGE', 'The file would be too large.')
    if (size < inode.size) inode.bytes.clear(size, inode.size)
    inode.size = size
    inode.mtime = inode.ctime = this.now()
  }

  getXattr(ino: number, name: string): Uint8Array {
    const value = this.inode(ino).xattrs.get(name)
    if (value === undefined) throw new DriveError('NO_DATA', 'There is no such attribute.')
    return value
  }

  listXattrs(ino: number): readonly string[] {
    return [...this.inode(ino).xattrs.keys()]
  }

  setXattr(ino: number, name: string, value: Uint8Array, flags: number): void {
    const inode = this.inode(ino)
    if ((flags & XATTR.CREATE) !== 0 && inode.xattrs.has(name)) throw new DriveError('EXISTS', 'The attribute exists.')
    if ((flags & XATTR.REPLACE) !== 0) this.getXattr(ino, name)
    inode.xattrs.set(name, value)
    inode.ctime = this.now()
  }

  removeXattr(ino: number, name: string): void {
    this.getXattr(ino, name)
    this.inode(ino).xattrs.delete(name)
    this.inode(ino).ctime = this.now()
  }

  statistics(): FilesystemStatistics {
    const blocks = 2 ** 20
    const files = 2 ** 20
    return {
      blockSize: 4096,
      totalBlocks: blocks,
      freeBlocks: blocks / 2,
      availableBlocks: blocks / 2,
      totalFiles: files,
      freeFiles: files - this.inodes.size,
      maxNameBytes: 255,
    }
  }

  sync(_ino: number, _dataOnly: boolean, _caller: Caller): void {}

  syncAll(_caller: Caller): void {}

  onInvalidate(listener: (what: Invalidation) => void): void {
    this.listeners.push(listener)
  }

  /** For tests: sends the invalidation that another device's change would send. */
  invalidate(what: Invalidation): void {
    for (const listener of this.listeners) listener(what)
  }
}
