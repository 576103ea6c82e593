/** One inode of the in-memory tree. */
import type { PlainName } from '../../../../src/base/index.js'
import type { Attributes } from '../../../../src/vfs/index.js'
import type { SparseBytes } from './sparse-bytes.js'

export const TYPE_MASK = 0o170000
export const TYPE = { FIFO: 0o010000, DIRECTORY: 0o040000, FILE: 0o100000, SYMLINK: 0o120000 } as const

export interface MemoryTime {
  sec: number
  nsec: number
}

export interface MemoryDirectory {
  parent: number
  /** In listing order: a name created again goes to the end with a new cookie. */
  readonly entries: Map<PlainName, { readonly ino: number; readonly cookie: number }>
  nextCookie: number
}

export interface MemoryInode {
  readonly ino: number
  mode: number
  nlink: number
  uid: number
  gid: number
  readonly rdev: number
  size: number
  atime: MemoryTime
  mtime: MemoryTime
  ctime: MemoryTime
  readonly btime: MemoryTime
  readonly directory: MemoryDirectory | undefined
  readonly target: Uint8Array | undefined
  readonly bytes: SparseBytes | undefined
  readonly xattrs: Map<string, Uint8Array>
  /** References of the kernel and open handles; the inode lives until both are 0 and it has no name. */
  lookups: number
  handles: number
}

export function attributesOf(inode: MemoryInode): Attributes {
  const stored = inode.bytes?.allocatedBytes ?? 0
  return {
    ino: inode.ino,
    size: inode.size,
    blocks: Math.ceil(Math.min(stored, Math.ceil(inode.size / 4096) * 4096) / 512),
    mode: inode.mode,
    nlink: inode.nlink,
    uid: inode.uid,
    gid: inode.gid,
    rdev: inode.rdev,
    atimeSec: inode.atime.sec,
    atimeNsec: inode.atime.nsec,
    mtimeSec: inode.mtime.sec,
    mtimeNsec: inode.mtime.nsec,
    ctimeSec: inode.ctime.sec,
    ctimeNsec: inode.ctime.nsec,
    btimeSec: inode.btime.sec,
    btimeNsec: inode.btime.nsec,
  }
}
