/**
 * The contract of the POSIX tree, which FUSE, the API and merges from other devices call. Every operation completes
 * synchronously when it can (`T`), and returns a promise when it must wait for disk or network. So the FUSE dispatcher
 * pays for a promise only when there is one. Failures are thrown `DriveError`s, synchronously or as a rejection.
 */
import type { FileId, PlainName } from '../base/index.js'
import type { StatFields } from '../model/index.js'

export type Maybe<T> = T | Promise<T>

/** Seconds since 1970 (signed, may be fractionless negative) and nanoseconds 0 … 999,999,999. */
export interface Timestamp {
  readonly sec: number
  readonly nsec: number
}

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
  APPEND: 0o2000,
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

/** The highest numbers given to the kernel; 0 for none. */
export interface Highest {
  readonly ino: number
  readonly handle: number
}

/** Bytes of a write that lie in a buffer of `KeptBuffers`. */
export interface KeptPlace {
  readonly buffer: number
  readonly at: number
}

/** Buffers of SLOT_BYTES that outlive this process, for streams to fill. */
export interface KeptBuffers {
  readonly buffers: readonly Uint8Array[]
  /** Nothing refers to what was in it. */
  isFree(buffer: number): boolean
  /** A writer waits for one: `Redo.buffersFreed` or `buffersFailed` is to be called soon. */
  wanted(): void
}

export interface Redo {
  /** The commit that current operations will belong to. */
  readonly sequence: number
  /** The newest commit on disk. It contains all operations up to it, except bytes that were held. */
  readonly durable: number
  /** Something is pending for the next commit. */
  readonly isPending: boolean
  /** The last timestamp used. */
  readonly stamp: Timestamp
  /** From now on, every number is durable or in the mount's log before the kernel sees it. */
  keepNumbers(): void
  /** Whether bytes of this range are only in memory. Never false when they are. */
  isHeld(ino: number, start: number, end: number): boolean
  /** @param listener is called for each inode that neither a name nor the kernel references, before it is removed */
  onGone(listener: (ino: number) => void): void
  /** The kernel references none of these inodes: those without a name are removed. */
  forgetAll(inos: Iterable<number>): void
  /** Streams fill these from now on. Given again, the buffers are the same ones. */
  useBuffers(kept: KeptBuffers): void
  /** Where bytes that were just written at `start` lie, if all of them are in one kept buffer. */
  placeOf(ino: number, start: number, data: Uint8Array): KeptPlace | undefined
  /** What lies in a kept buffer of this file is not changed any more, but written elsewhere. */
  settleBuffer(ino: number): void
  /** Calls `release` for each kept buffer that nothing fills and nothing refers to. */
  restBuffers(release: (buffer: number) => void): void
  buffersFreed(): void
  buffersFailed(error: unknown): void
  /** Makes all operations so far durable, except held bytes. */
  commit(): Promise<void>
  /** From now on, operations get this time, and these numbers unless they are 0; no disk is too full for them. */
  begin(given: Highest & Timestamp): void
  /** Numbers and times are assigned normally again; none of these numbers is reused. Closes adopted handles. */
  end(highest: Highest): void
}

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
   * Up to `size` bytes; fewer only at the end of the file. The views stay valid until the reply is written, which
   * happens at once.
   */
  read(ino: number, handle: number, offset: number, size: number, caller: Caller): Maybe<readonly Uint8Array[]>
  /**
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
