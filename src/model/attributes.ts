/**
 * The attributes of every file, directory and other object, the same for the kernel, the local tables and published
 * versions.
 */
import type { FileId } from '../base/index.js'

/** Whole seconds since 1970 (negative before) and nanoseconds 0 … 999,999,999. */
export interface Timestamp {
  readonly sec: number
  readonly nsec: number
}

/** Times are whole seconds since 1970 (negative before) and nanoseconds 0 … 999,999,999. */
export interface StatFields {
  /** Includes the bits of the file type. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly nlink: number
  /** The kernel's 32-bit encoding. */
  readonly rdev: number
  /** Bytes. */
  readonly size: number
  readonly atimeSec: number
  readonly atimeNsec: number
  readonly mtimeSec: number
  readonly mtimeNsec: number
  readonly ctimeSec: number
  readonly ctimeNsec: number
  readonly btimeSec: number
  readonly btimeNsec: number
}

/** The attributes of an inode in a published version, without its content. */
export interface InodeAttributes extends StatFields {
  readonly fileId: FileId
  /** Files opened for in-place writes are cut in fixed 256 KiB chunks. */
  readonly fixedChunks: boolean
  readonly xattrs: readonly { readonly name: string; readonly value: Uint8Array }[]
}

/** Picks the inode attributes from a larger record. */
export function inodeAttributesOf(record: InodeAttributes): InodeAttributes {
  return {
    fileId: record.fileId,
    mode: record.mode,
    uid: record.uid,
    gid: record.gid,
    nlink: record.nlink,
    rdev: record.rdev,
    size: record.size,
    atimeSec: record.atimeSec,
    atimeNsec: record.atimeNsec,
    mtimeSec: record.mtimeSec,
    mtimeNsec: record.mtimeNsec,
    ctimeSec: record.ctimeSec,
    ctimeNsec: record.ctimeNsec,
    btimeSec: record.btimeSec,
    btimeNsec: record.btimeNsec,
    fixedChunks: record.fixedChunks,
    xattrs: record.xattrs,
  }
}

/** Attributes with only an identity and a type; all other fields are zero. */
export function bareAttributes(fileId: FileId, mode: number): InodeAttributes {
  return inodeAttributesOf({ ...NOTHING, fileId, mode })
}

const NOTHING: Omit<InodeAttributes, 'fileId' | 'mode'> = {
  uid: 0,
  gid: 0,
  nlink: 0,
  rdev: 0,
  size: 0,
  atimeSec: 0,
  atimeNsec: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  ctimeSec: 0,
  ctimeNsec: 0,
  btimeSec: 0,
  btimeNsec: 0,
  fixedChunks: false,
  xattrs: [],
}
