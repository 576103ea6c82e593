/**
 * The attributes of every file, directory and other object: the single list for the kernel, the local tables and
 * published versions. Copies and codecs use this file. It names each field instead of looping over a list of names,
 * because a loop takes ten times as long (decision 119). `declare`: the constructor creates each field, once.
 */
import type { FileId } from '../base/index.js'

/** Whole seconds since 1970 (negative before) and nanoseconds 0 … 999,999,999. */
export interface Timestamp {
  readonly sec: number
  readonly nsec: number
}

/** The fields of stat(2) that a file keeps. Times are whole seconds since 1970 (negative before) and nanoseconds. */
export class StatRecord {
  /** Includes the bits of the file type. */
  declare mode: number
  declare uid: number
  declare gid: number
  declare nlink: number
  /** The kernel's 32-bit encoding. */
  declare rdev: number
  /** Bytes. */
  declare size: number
  declare atimeSec: number
  declare atimeNsec: number
  declare mtimeSec: number
  declare mtimeNsec: number
  declare ctimeSec: number
  declare ctimeNsec: number
  declare btimeSec: number
  declare btimeNsec: number

  /** A copy. */
  constructor(from: StatFields) {
    this.mode = from.mode
    this.uid = from.uid
    this.gid = from.gid
    this.nlink = from.nlink
    this.rdev = from.rdev
    this.size = from.size
    this.atimeSec = from.atimeSec
    this.atimeNsec = from.atimeNsec
    this.mtimeSec = from.mtimeSec
    this.mtimeNsec = from.mtimeNsec
    this.ctimeSec = from.ctimeSec
    this.ctimeNsec = from.ctimeNsec
    this.btimeSec = from.btimeSec
    this.btimeNsec = from.btimeNsec
  }
}

/** `T` under construction. */
export type Mutable<T> = { -readonly [F in keyof T]: T[F] }

/** See `StatRecord`. */
export type StatFields = Readonly<StatRecord>

/** The range of a field: unsigned 32 bits; 0 … 2^53-1; signed 53 bits; 0 … 999,999,999. */
export type StatKind = 'u32' | 'size' | 'seconds' | 'nanoseconds'

/** Calls `put` for every field, in the order of `StatRecord`. */
export function writeStat(from: StatFields, put: (value: number, kind: StatKind) => void): void {
  put(from.mode, 'u32')
  put(from.uid, 'u32')
  put(from.gid, 'u32')
  put(from.nlink, 'u32')
  put(from.rdev, 'u32')
  put(from.size, 'size')
  put(from.atimeSec, 'seconds')
  put(from.atimeNsec, 'nanoseconds')
  put(from.mtimeSec, 'seconds')
  put(from.mtimeNsec, 'nanoseconds')
  put(from.ctimeSec, 'seconds')
  put(from.ctimeNsec, 'nanoseconds')
  put(from.btimeSec, 'seconds')
  put(from.btimeNsec, 'nanoseconds')
}

/** The inverse of `writeStat`: a plain object. The caller adds the other fields of its record. */
export function readStat(next: (kind: StatKind) => number): Mutable<StatFields> {
  return {
    mode: next('u32'),
    uid: next('u32'),
    gid: next('u32'),
    nlink: next('u32'),
    rdev: next('u32'),
    size: next('size'),
    atimeSec: next('seconds'),
    atimeNsec: next('nanoseconds'),
    mtimeSec: next('seconds'),
    mtimeNsec: next('nanoseconds'),
    ctimeSec: next('seconds'),
    ctimeNsec: next('nanoseconds'),
    btimeSec: next('seconds'),
    btimeNsec: next('nanoseconds'),
  }
}

/** The attributes of an inode in a published version, without its content. */
export class AttributeRecord extends StatRecord {
  declare fileId: FileId
  /** Files opened for in-place writes are cut in fixed 256 KiB chunks. */
  declare fixedChunks: boolean
  declare xattrs: readonly { readonly name: string; readonly value: Uint8Array }[]

  /** A copy, without other fields of a larger record. */
  constructor(from: InodeAttributes) {
    super(from)
    this.fileId = from.fileId
    this.fixedChunks = from.fixedChunks
    this.xattrs = from.xattrs
  }
}

/** See `AttributeRecord`. */
export type InodeAttributes = Readonly<AttributeRecord>

/** Attributes with only an identity and a type; all other fields are zero. */
export function bareAttributes(fileId: FileId, mode: number): AttributeRecord {
  const record = new AttributeRecord(BARE)
  record.fileId = fileId
  record.mode = mode
  record.xattrs = []
  return record
}

const BARE = Object.assign(
  readStat(() => 0),
  { fileId: new Uint8Array(), fixedChunks: false, xattrs: [] },
)
