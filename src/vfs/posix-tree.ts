/**
 * The tree that other modules call. Every operation finds its inode and handle here; the work is in a file of its own.
 */
import { DriveError, type PlainName } from '../base/index.js'
import { dropSetId, setAttributes } from './inodes/attributes.js'
import { allocate } from './content/allocate.js'
import { copyRange, type CopyParts } from './content/copy-range.js'
import { read } from './content/read.js'
import { seek } from './content/seek.js'
import { stage } from './staging/stage.js'
import { write } from './content/write.js'
import { stageAll } from './staging/stage-all.js'
import { requireWritable } from './inodes/handles.js'
import { attributesOf } from './inodes/inode.js'
import { then } from './maybe.js'
import { link, makeDirectory, makeInode, makeNode, makeSymlink, type NamespaceParts } from './namespace/create.js'
import { readDirectory } from './namespace/list.js'
import { removeDirectory, unlink } from './namespace/remove.js'
import { rename } from './namespace/rename.js'
import { lookup } from './namespace/lookup.js'
import { createRedo, type RedoParts } from './redo.js'
import { OpenHandles } from './open-handles.js'
import { statistics, type StatisticsParts } from './statistics.js'
import { TYPE } from '../tree-state/index.js'
import {
  ROOT_INO,
  type AttributeChange,
  type Attributes,
  type Caller,
  type AllocatedRange,
  type DirectoryListing,
  type NamePlace,
  type FilesystemStatistics,
  type Invalidation,
  type Maybe,
  type Opened,
  type Tree,
} from './tree.js'
import type { Redo } from './redo-contract.js'
import { withRoomForChange } from './memory/room-for-changes.js'
import { getXattr, listXattrs, removeXattr, setXattr } from './inodes/xattrs.js'
import type { TruncateParts } from './content/truncate.js'
import type { Invalidations } from './inodes/invalidations.js'

/** The parts of all operations together. */
export type PosixParts = NamespaceParts &
  CopyParts &
  TruncateParts &
  RedoParts &
  StatisticsParts & { readonly invalidations: Invalidations }

export class PosixTree implements Tree {
  readonly #parts: PosixParts
  readonly #handles: OpenHandles
  readonly redo: Redo

  /** @param highestHandle of a mount that is taken over */
  constructor(parts: PosixParts, highestHandle = 0) {
    this.#parts = parts
    this.#handles = new OpenHandles(parts, highestHandle)
    this.redo = createRedo(parts, this.#handles.handles, (inode) => this.#handles.closed(inode))
  }

  lookup(parent: number, name: PlainName, caller: Caller): Maybe<Attributes | undefined> {
    return lookup(this.#parts, parent, name, caller)
  }

  parentOf(ino: number): number {
    return ino === ROOT_INO ? ROOT_INO : this.#parts.inodes.get(ino).parent || ROOT_INO
  }

  remember(ino: number): void {
    this.#parts.inodes.remember(ino)
  }

  forget(ino: number, count: number): void {
    this.#parts.inodes.forget(ino, count)
  }

  forgetAll(): void {
    this.#handles.closeAdopted()
    this.#parts.inodes.forgetAll()
  }

  getAttributes(ino: number, _caller: Caller): Attributes {
    return attributesOf(this.#parts.inodes.get(ino))
  }

  setAttributes(ino: number, change: AttributeChange, handle: number | undefined, caller: Caller): Maybe<Attributes> {
    if (change.size !== undefined && handle !== undefined) requireWritable(this.#handles.file(ino, handle))
    const inode = this.#parts.inodes.get(ino)
    return withRoomForChange(this.#parts, inode, () => setAttributes(this.#parts, inode, change, caller))
  }

  dropSetId(ino: number, caller: Caller): void {
    dropSetId(this.#parts, this.#parts.inodes.get(ino), caller)
  }

  readLink(ino: number, _caller: Caller): Uint8Array {
    const inode = this.#parts.inodes.get(ino)
    if (inode.type !== TYPE.SYMLINK) throw new DriveError('INVALID', 'Not a symbolic link.')
    return inode.inline ?? new Uint8Array(0)
  }

  makeDirectory(parent: number, name: PlainName, mode: number, caller: Caller): Maybe<Attributes> {
    return makeDirectory(this.#parts, parent, name, mode, caller)
  }

  makeNode(parent: number, name: PlainName, mode: number, rdev: number, caller: Caller): Maybe<Attributes> {
    return then(makeNode(this.#parts, parent, name, { mode, rdev }, caller), attributesOf)
  }

  makeSymlink(parent: number, name: PlainName, target: Uint8Array, caller: Caller): Maybe<Attributes> {
    return then(makeSymlink(this.#parts, parent, name, target, caller), attributesOf)
  }

  link(ino: number, newParent: number, newName: PlainName, caller: Caller): Maybe<Attributes> {
    return link(this.#parts, ino, newParent, newName, caller)
  }

  unlink(parent: number, name: PlainName, caller: Caller): Maybe<void> {
    return unlink(this.#parts, parent, name, caller)
  }

  removeDirectory(parent: number, name: PlainName, caller: Caller): Maybe<void> {
    return removeDirectory(this.#parts, parent, name, caller)
  }

  rename(from: NamePlace, to: NamePlace, flags: number, caller: Caller): Maybe<void> {
    return rename(this.#parts, from, to, flags, caller)
  }

  create(
    parent: number,
    name: PlainName,
    mode: number,
    flags: number,
    caller: Caller,
  ): Maybe<{ attributes: Attributes; opened: Opened }> {
    const made = makeInode(this.#parts, parent, name, { mode: (mode & 0o7777) | (TYPE.FILE << 12) }, caller)
    return then(made, (inode) => ({ attributes: attributesOf(inode), opened: this.#handles.opened(inode, flags) }))
  }

  open(ino: number, flags: number, caller: Caller): Maybe<Opened> {
    return this.#handles.open(ino, flags, caller)
  }

  read(ino: number, handle: number, offset: number, size: number, caller: Caller): Maybe<readonly Uint8Array[]> {
    const file = this.#handles.file(ino, handle)
    return read(this.#parts, file, offset, size, caller)
  }

  write(ino: number, handle: number, offset: number, data: Uint8Array, caller: Caller): Maybe<number> {
    const file = this.#handles.file(ino, handle)
    requireWritable(file)
    return write(this.#parts, file.inode, offset, data, caller)
  }

  flush(ino: number, handle: number, _caller: Caller): void {
    const error = this.#handles.file(ino, handle).inode.content?.error
    if (error !== undefined) throw error
  }

  release(_ino: number, handle: number): void {
    this.#handles.close(handle)
  }

  async sync(ino: number, _dataOnly: boolean, _caller: Caller): Promise<void> {
    const inode = this.#parts.inodes.get(ino)
    await stage(this.#parts, inode)
    await this.#parts.committer.commit()
  }

  async syncAll(_caller: Caller): Promise<void> {
    await stageAll(this.#parts)
    await this.#parts.committer.commit()
  }

  allocate(ino: number, handle: number, range: AllocatedRange, caller: Caller): Maybe<void> {
    const file = this.#handles.file(ino, handle)
    requireWritable(file)
    return allocate(this.#parts, file.inode, range, caller)
  }

  seek(ino: number, handle: number, offset: number, whence: number, caller: Caller): Maybe<number> {
    return seek(this.#parts, this.#handles.file(ino, handle).inode, offset, whence, caller)
  }

  copyRange(
    from: { ino: number; handle: number; offset: number },
    to: { ino: number; handle: number; offset: number },
    length: number,
    caller: Caller,
  ): Maybe<number> {
    const source = this.#handles.file(from.ino, from.handle)
    const target = this.#handles.file(to.ino, to.handle)
    requireWritable(target)
    return copyRange(
      this.#parts,
      { inode: source.inode, offset: from.offset },
      { inode: target.inode, offset: to.offset },
      length,
      caller,
    )
  }

  openDirectory(ino: number, _caller: Caller): Opened {
    return this.#handles.openDirectory(ino)
  }

  readDirectory(ino: number, handle: number, listing: DirectoryListing, caller: Caller): Maybe<void> {
    return readDirectory(this.#parts, this.#handles.directory(ino, handle), listing, caller)
  }

  releaseDirectory(_ino: number, handle: number): void {
    this.#handles.closeDirectory(handle)
  }

  getXattr(ino: number, name: string, _caller: Caller): Uint8Array {
    return getXattr(this.#parts.inodes.get(ino), name)
  }

  listXattrs(ino: number, caller: Caller): readonly string[] {
    return listXattrs(this.#parts.inodes.get(ino), caller)
  }

  setXattr(ino: number, name: string, value: Uint8Array, flags: number, _caller: Caller): Maybe<void> {
    const inode = this.#parts.inodes.get(ino)
    return withRoomForChange(this.#parts, inode, () => setXattr(this.#parts, inode, name, value, flags))
  }

  removeXattr(ino: number, name: string, _caller: Caller): Maybe<void> {
    const inode = this.#parts.inodes.get(ino)
    return withRoomForChange(this.#parts, inode, () => removeXattr(this.#parts, inode, name))
  }

  statistics(_caller: Caller): FilesystemStatistics {
    return statistics(this.#parts)
  }

  onInvalidate(listener: (what: Invalidation) => void): void {
    this.#parts.invalidations.listen(listener)
  }

  get openHandles(): number {
    return this.#handles.handles.openCount
  }
}
