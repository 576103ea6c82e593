/**
 * Numbers of the FUSE kernel protocol (include/uapi/linux/fuse.h, 7.31 to 7.45): opcodes, flags and the offset of each
 * field in a request's body. Offsets are in bytes from the end of the 40-byte request header. Replies are in reply.ts.
 */
export const FUSE_MAJOR = 7
/** The protocol version of Linux 5.4. Older kernels are refused. */
export const OLDEST_MINOR = 31
/** The newest minor version this code knows. */
export const NEWEST_MINOR = 45

export const REQUEST_HEADER_BYTES = 40
export const REPLY_HEADER_BYTES = 16

/** The name of an opcode, for logs and reports. */
export const operationName = (opcode: number): string =>
  Object.entries(OP).find(([, known]) => known === opcode)?.[0] ?? 'unknown'

export const OP = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  ACCESS: 34,
  CREATE: 35,
  INTERRUPT: 36,
  DESTROY: 38,
  NOTIFY_REPLY: 41,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
  COPY_FILE_RANGE: 47,
  SYNCFS: 50,
  STATX: 52,
  COPY_FILE_RANGE_64: 53,
} as const

/** INIT flags; bits 32 and up travel in `flags2`. */
export const INIT = {
  ASYNC_READ: 1 << 0,
  ATOMIC_O_TRUNC: 1 << 3,
  EXPORT_SUPPORT: 1 << 4,
  BIG_WRITES: 1 << 5,
  DONT_MASK: 1 << 6,
  DO_READDIRPLUS: 1 << 13,
  READDIRPLUS_AUTO: 1 << 14,
  ASYNC_DIO: 1 << 15,
  WRITEBACK_CACHE: 1 << 16,
  PARALLEL_DIROPS: 1 << 18,
  POSIX_ACL: 1 << 20,
  ABORT_ERROR: 1 << 21,
  MAX_PAGES: 1 << 22,
  CACHE_SYMLINKS: 1 << 23,
  EXPLICIT_INVAL_DATA: 1 << 25,
  HANDLE_KILLPRIV_V2: 1 << 28,
  SETXATTR_EXT: 1 << 29,
  INIT_EXT: 1 << 30,
} as const

export const INIT2 = { HAS_EXPIRE_ONLY: 1 << 3, HAS_RESEND: 1 << 7, REQUEST_TIMEOUT: 1 << 10 } as const

export const SETATTR_VALID = {
  MODE: 1 << 0,
  UID: 1 << 1,
  GID: 1 << 2,
  SIZE: 1 << 3,
  ATIME: 1 << 4,
  MTIME: 1 << 5,
  HANDLE: 1 << 6,
  ATIME_NOW: 1 << 7,
  MTIME_NOW: 1 << 8,
  CTIME: 1 << 10,
  DROP_SET_ID: 1 << 11,
} as const

/** Flags of an OPEN, OPENDIR or CREATE reply. */
export const OPENED = { KEEP_CACHE: 1 << 1, CACHE_DIR: 1 << 3, NO_FLUSH: 1 << 5 } as const

/** A flag of WRITE, OPEN and CREATE: the file loses its set-ID bits. (SETATTR has a valid bit for this.) */
export const WRITE_DROP_SET_ID = 1 << 2
export const OPEN_DROP_SET_ID = 1 << 0

/**
 * A flag of READ and WRITE: the request carries the lock owner. The kernel sets it for direct I/O on a program's buffer
 * (O_DIRECT), never for the page cache, whichever descriptor the request uses.
 */
export const READ_PAST_CACHE = 1 << 1
export const WRITE_PAST_CACHE = 1 << 1

export const FSYNC_DATA_ONLY = 1

/** A bit in the upper half of a request's id: the kernel sent this request before, to a server that died. */
export const UNIQUE_RESENT = 0x8000_0000

export const NOTIFY = { INVAL_INODE: 2, INVAL_ENTRY: 3, RESEND: 7 } as const

/** struct fuse_in_header */
export const HEADER = { length: 0, opcode: 4, unique: 8, nodeId: 16, uid: 24, gid: 28, pid: 32 } as const

export const INIT_IN = { major: 0, minor: 4, maxReadahead: 8, flags: 12, flags2: 16, bytes: 16 } as const
export const FORGET_IN = { count: 0, bytes: 8 } as const
export const BATCH_FORGET_IN = { count: 0, bytes: 8, each: 16 } as const
export const SETATTR_IN = {
  valid: 0,
  handle: 8,
  size: 16,
  atime: 32,
  mtime: 40,
  ctime: 48,
  atimeNsec: 56,
  mtimeNsec: 60,
  ctimeNsec: 64,
  mode: 68,
  uid: 76,
  gid: 80,
  bytes: 88,
} as const
export const MKNOD_IN = { mode: 0, rdev: 4, umask: 8, bytes: 16 } as const
export const MKDIR_IN = { mode: 0, umask: 4, bytes: 8 } as const
export const RENAME_IN = { newParent: 0, bytes: 8 } as const
export const RENAME2_IN = { newParent: 0, flags: 8, bytes: 16 } as const
export const LINK_IN = { nodeId: 0, bytes: 8 } as const
export const OPEN_IN = { flags: 0, openFlags: 4, bytes: 8 } as const
export const CREATE_IN = { flags: 0, mode: 4, umask: 8, openFlags: 12, bytes: 16 } as const
export const RELEASE_IN = { handle: 0, bytes: 24 } as const
export const FLUSH_IN = { handle: 0, bytes: 24 } as const
export const READ_IN = { handle: 0, offset: 8, size: 16, readFlags: 20, bytes: 40 } as const
export const WRITE_IN = { handle: 0, offset: 8, size: 16, writeFlags: 20, bytes: 40 } as const
export const FSYNC_IN = { handle: 0, flags: 8, bytes: 16 } as const
/** With SETXATTR_EXT; 8 bytes without. */
export const SETXATTR_IN = { size: 0, flags: 4, ownFlags: 8, bytes: 16, compatBytes: 8 } as const
/** A flag of SETXATTR: the new ACL clears S_ISGID, because the caller is not in the file's group. */
export const SETXATTR_DROP_SET_GROUP = 1 << 0
export const ACCESS_IN = { mask: 0, bytes: 8 } as const
export const GETXATTR_IN = { size: 0, bytes: 8 } as const
export const INTERRUPT_IN = { unique: 0, bytes: 8 } as const
export const FALLOCATE_IN = { handle: 0, offset: 8, length: 16, mode: 24, bytes: 32 } as const
export const LSEEK_IN = { handle: 0, offset: 8, whence: 16, bytes: 24 } as const
export const COPY_IN = {
  handleIn: 0,
  offsetIn: 8,
  nodeIdOut: 16,
  handleOut: 24,
  offsetOut: 32,
  length: 40,
  flags: 48,
  bytes: 56,
} as const
