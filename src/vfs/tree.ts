/**
 * The contract of the POSIX tree, which FUSE, the API and merges from other devices call. Every operation completes
 * synchronously when it can (`T`), and returns a promise when it must wait for disk or network. So the FUSE dispatcher
 * pays for a promise only when there is one. Failures are thrown `DriveError`s, synchronously or as a rejection.
 */
import type { FileId, PlainName } from '../base/index.js'
import type { StatFields, Timestamp } from '../model/index.js'
import type { Redo } from './redo-contract.js'

export type Maybe<T> = T | Promise<T>

/** The fields of stat(2). `mode` includes the file type bits (S_IFMT). `rdev` is the kernel's 32-bit encoding. */
export interface Attributes extends StatFields {
  readonly ino: number
  /** 512-byte units. */
  readonly blocks: number
}

/**
 * The caller of an operation. `signal` is created when first read, and fires when the kernel interrupts the request.
 */
export interface Caller {
  readonly uid: number
  readonly gid: number
  readonly pid: number
  readonly signal: AbortSignal
  /** Copies the bytes of its write, which has to wait. Absent: whoever needs a copy makes one. */
  keep?(data: Uint8Array): Uint8Array
  /**
   * Bits to clear in the mode of a new file, if the directory has no default ACL. Undefined or 0 when the kernel has
   * cleared them already.
   */
  readonly umask?: number
}

/** Fields to change; undefined ones stay. `'now'` uses the tree's clock. */
export interface AttributeChange {
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly size?: number
  readonly atime?: Timestamp | 'now'
  readonly mtime?: Timestamp | 'now'
  readonly ctime?: Timestamp
}

/** POSIX open flags used here, with Linux values. */
export const OPEN = {
  READ_ONLY: 0,
  WRITE_ONLY: 1,
  READ_WRITE: 2,
  ACCESS_MODE: 3,
  TRUNCATE: 0o1000,
} as const
export const RENAME = { NO_REPLACE: 1, EXCHANGE: 2 } as const
export const FALLOCATE = { KEEP_SIZE: 1, PUNCH_HOLE: 2, ZERO_RANGE: 16 } as const
export const SEEK = { DATA: 3, HOLE: 4 } as const
/** DROP_SET_GROUP is our own flag: setting an access ACL clears S_ISGID. */
export const XATTR = { CREATE: 1, REPLACE: 2, DROP_SET_GROUP: 4 } as const

export { ROOT_INO } from '../model/index.js'

/** A range for `Tree.allocate`; `mode` as in fallocate(2). */
export interface AllocatedRange {
  readonly mode: number
  readonly offset: number
  readonly length: number
}

/** The start of a listing and its consumer, which returns false to stop; see Tree.readDirectory. */
export interface DirectoryListing {
  readonly cookie: number
  readonly withAttributes: boolean
  readonly visit: (entry: DirectoryEntry) => boolean
}

/** A name in a directory, given by the directory's inode. The name need not exist. */
export interface NamePlace {
  readonly parent: number
  readonly name: PlainName
}

/** Maps between inodes, file ids and names. */
export interface Identities {
  /** Throws STALE when there is no such inode. */
  fileIdOf(ino: number): FileId
  find(ino: number): FileId | undefined
  /** Only for files that have a name in a directory this device has loaded. */
  inoOf(id: FileId): number | undefined
  /** One of its names; undefined for the root, and for a file without a name. */
  nameOf(ino: number): NamePlace | undefined
  /**
   * File `to` is about to replace `from`, which has one name, and takes over its id; `from` gets the id of `to`. Does
   * nothing if `from` may have other names.
   */
  passOn(from: number, to: number): void
}

export interface Opened {
  /** A positive integer, unique among open handles. */
  readonly handle: number
  /** The kernel may keep cached pages (regular file) or the cached listing (directory) from the last open. */
  readonly keepCache: boolean
}

/**
 * One entry of a listing. A listing can resume after `cookie` at any later time, also when this entry or earlier ones
 * are gone. Cookies are positive, grow in listing order and never change while the entry exists. `.` and `..` are not
 * listed; the FUSE layer adds them.
 */
export interface DirectoryEntry {
  readonly name: PlainName
  readonly ino: number
  /** S_IFMT bits of the mode, shifted right by 12 (DT_*). */
  readonly type: number
  readonly cookie: number
  /** Set when requested. */
  readonly attributes: Attributes | undefined
}

export interface FilesystemStatistics {
  readonly blockSize: number
  readonly totalBlocks: number
  readonly freeBlocks: number
  readonly availableBlocks: number
  readonly totalFiles: number
  readonly freeFiles: number
  readonly maxNameBytes: number
}

/**
 * A cache entry that the kernel must drop. Sent from a threadpool thread, never awaited inside a handler of the same
 * inode.
 */
export type Invalidation =
  | { readonly kind: 'inode'; readonly ino: number; readonly attributesOnly: boolean }
  | { readonly kind: 'entry'; readonly parent: number; readonly name: PlainName }

export interface Tree {
  /**
   * The child's attributes, or undefined when there is none. `.` and `..` are never passed here; names have 1 to 255
   * bytes.
   */
  lookup(parent: number, name: PlainName, caller: Caller): Maybe<Attributes | undefined>
  /** The parent directory's ino (the root is its own parent); for `..` and NFS export. */
  parentOf(ino: number): number
  /** The kernel now holds one more reference to `ino`; it keeps an unlinked inode alive until `forget`. */
  remember(ino: number): void
  forget(ino: number, count: number): void
  /** The mount has ended: the kernel holds no reference any more. Handles are released one by one before this. */
  forgetAll?(): void
  getAttributes(ino: number, caller: Caller): Maybe<Attributes>
  setAttributes(ino: number, change: AttributeChange, handle: number | undefined, caller: Caller): Maybe<Attributes>
  /**
   * The caller is about to change the content and may not keep set-ID bits. A file loses S_ISUID. It loses S_ISGID if
   * its group may execute it, or if the caller is neither root nor in its group. Costs nothing for a file without these
   * bits.
   */
  dropSetId(ino: number, caller: Caller): void
  readLink(ino: number, caller: Caller): Maybe<Uint8Array>
  makeDirectory(parent: number, name: PlainName, mode: number, caller: Caller): Maybe<Attributes>
  /** Regular files, FIFOs, sockets and device nodes; `mode` carries the type. */
  makeNode(parent: number, name: PlainName, mode: number, rdev: number, caller: Caller): Maybe<Attributes>
  makeSymlink(parent: number, name: PlainName, target: Uint8Array, caller: Caller): Maybe<Attributes>
  link(ino: number, newParent: number, newName: PlainName, caller: Caller): Maybe<Attributes>
  unlink(parent: number, name: PlainName, caller: Caller): Maybe<void>
  removeDirectory(parent: number, name: PlainName, caller: Caller): Maybe<void>
  /** `flags`: 0, RENAME.NO_REPLACE or RENAME.EXCHANGE; others throw INVALID. */
  rename(from: NamePlace, to: NamePlace, flags: number, caller: Caller): Maybe<void>

  create(
    parent: number,
    name: PlainName,
    mode: number,
    flags: number,
    caller: Caller,
  ): Maybe<{ attributes: Attributes; opened: Opened }>
  open(ino: number, flags: number, caller: Caller): Maybe<Opened>
  /**
   * Up to `size` bytes; fewer only at the end of the file. The views are valid during the turn of the event loop in
   * which they are returned, or in which the promise resolves; later their memory may hold bytes of another file.
   */
  read(ino: number, handle: number, offset: number, size: number, caller: Caller): Maybe<readonly Uint8Array[]>
  /**
   * Writes at `offset`, whatever flags the file was opened with. For a write that appends, the kernel has put the end
   * of the file there; O_APPEND of a descriptor can change after open, and does not apply to its mappings.
   * `data` is only valid until this returns (or returns its promise); a call that waits copies it first. Level reached:
   * `held`.
   * @returns the number of bytes written, always all of them
   */
  write(ino: number, handle: number, offset: number, data: Uint8Array, caller: Caller): Maybe<number>
  /** On every close(2); reports errors found so far. */
  flush(ino: number, handle: number, caller: Caller): Maybe<void>
  /** The last close of this handle. */
  release(ino: number, handle: number): void
  /** Level reached when it resolves: `staged`. */
  sync(ino: number, dataOnly: boolean, caller: Caller): Maybe<void>
  /** Everything `staged`; at unmount. The kernel does not pass syncfs(2) on to a mount without a block device. */
  syncAll(caller: Caller): Maybe<void>
  allocate(ino: number, handle: number, range: AllocatedRange, caller: Caller): Maybe<void>
  /** @returns the new offset; NO_SUCH_ADDRESS (ENXIO) past the end. */
  seek(ino: number, handle: number, offset: number, whence: number, caller: Caller): Maybe<number>
  copyRange(
    from: { ino: number; handle: number; offset: number },
    to: { ino: number; handle: number; offset: number },
    length: number,
    caller: Caller,
  ): Maybe<number>

  openDirectory(ino: number, caller: Caller): Maybe<Opened>
  /**
   * Visits entries with a cookie greater than `cookie` (0 starts) until `visit` returns false; then the last entry
   * counts as not visited.
   */
  readDirectory(ino: number, handle: number, listing: DirectoryListing, caller: Caller): Maybe<void>
  releaseDirectory(ino: number, handle: number): void

  /**
   * Attribute names hold one character per byte (latin1), like file names. POSIX ACLs are attributes: the access ACL
   * and the mode change together, and new files in a directory with a default ACL inherit it.
   */
  getXattr(ino: number, name: string, caller: Caller): Maybe<Uint8Array>
  listXattrs(ino: number, caller: Caller): Maybe<readonly string[]>
  setXattr(ino: number, name: string, value: Uint8Array, flags: number, caller: Caller): Maybe<void>
  removeXattr(ino: number, name: string, caller: Caller): Maybe<void>

  statistics(caller: Caller): Maybe<FilesystemStatistics>
  /** Replays operations after a kill, if supported. */
  readonly redo?: Redo
  /** The FUSE layer registers here to be told which cache entries the kernel must drop. */
  onInvalidate(listener: (what: Invalidation) => void): void
}
