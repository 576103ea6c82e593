/**
 * The bytes of an inode row, version 1; numbers are little-endian, 53-bit integers are float64.
 *
 *   0 version  1 flags  2 inline length u16  4 mode  8 uid  12 gid  16 nlink  20 rdev (u32 each)
 *   24 size  32 atime  40 mtime  48 ctime  56 btime seconds (f64)  64, 68, 72, 76 their nanoseconds (u32)
 *   80 parent f64  88 nextCookie f64  96 fileId[16]  112 inline … ref digest[32] key[32] … holes f64 … xattrs
 *   xattrs: count u16, then for each: name length u16, value length u32, name (UTF-8), value
 */
import { DriveError } from '../base/index.js'
import type { InodeRecord, NodeRef } from './contract.js'

const VERSION = 1
const HEADER_BYTES = 112
const FLAG = { INLINE: 1, REF: 2, XATTRS: 4, FIXED_CHUNKS: 8, UNLOADED: 16, HOLES: 32 } as const
const NO_XATTRS: InodeRecord['xattrs'] = []

/** The row value of `record`. Its `ino` is only in the key. Inline bodies are at most 65,535 bytes. */
export function encodeInode(record: InodeRecord): Buffer {
  const { inline, ref, xattrs, holes = 0 } = record
  if (inline !== undefined && inline.length > 0xffff)
    throw new RangeError('The inline body is too long for an inode record.')
  const names = xattrs.length === 0 ? undefined : xattrs.map(({ name }) => Buffer.from(name, 'utf8'))
  let total = HEADER_BYTES + (inline?.length ?? 0) + (ref === undefined ? 0 : 64) + (holes === 0 ? 0 : 8)
  if (names !== undefined) total += xattrs.reduce((sum, { value }, i) => sum + 6 + names[i]!.length + value.length, 2)

  const bytes = Buffer.allocUnsafe(total)
  const view = new DataView(bytes.buffer, bytes.byteOffset, total)
  bytes[0] = VERSION
  bytes[1] =
    (inline === undefined ? 0 : FLAG.INLINE) |
    (ref === undefined ? 0 : FLAG.REF) |
    (names === undefined ? 0 : FLAG.XATTRS) |
    (record.fixedChunks ? FLAG.FIXED_CHUNKS : 0) |
    (record.unloaded ? FLAG.UNLOADED : 0) |
    (holes === 0 ? 0 : FLAG.HOLES)
  view.setUint16(2, inline?.length ?? 0, true)
  view.setUint32(4, record.mode, true)
  view.setUint32(8, record.uid, true)
  view.setUint32(12, record.gid, true)
  view.setUint32(16, record.nlink, true)
  view.setUint32(20, record.rdev, true)
  view.setFloat64(24, record.size, true)
  view.setFloat64(32, record.atimeSec, true)
  view.setFloat64(40, record.mtimeSec, true)
  view.setFloat64(48, record.ctimeSec, true)
  view.setFloat64(56, record.btimeSec, true)
  view.setUint32(64, record.atimeNsec, true)
  view.setUint32(68, record.mtimeNsec, true)
  view.setUint32(72, record.ctimeNsec, true)
  view.setUint32(76, record.btimeNsec, true)
  view.setFloat64(80, record.parent, true)
  view.setFloat64(88, record.nextCookie, true)
  putExact(bytes, record.fileId, 96, 16)
  let at = HEADER_BYTES
  if (inline !== undefined) {
    bytes.set(inline, at)
    at += inline.length
  }
  if (ref !== undefined) {
    putExact(bytes, ref.digest, at, 32)
    putExact(bytes, ref.key, at + 32, 32)
    at += 64
  }
  if (holes !== 0) {
    view.setFloat64(at, holes, true)
    at += 8
  }
  if (names !== undefined) putXattrs(bytes, at, xattrs, names)
  return bytes
}

/** The inverse of `encodeInode`. Throws CORRUPT for any other bytes. The record's byte fields are views of `bytes`. */
export function decodeInode(ino: number, bytes: Uint8Array): InodeRecord {
  if (bytes.length < HEADER_BYTES || bytes[0] !== VERSION) throw corrupt(ino)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const flags = bytes[1]!
  let at = HEADER_BYTES
  let inline: Uint8Array | undefined
  let ref: NodeRef | undefined
  if ((flags & FLAG.INLINE) !== 0) {
    const length = view.getUint16(2, true)
    inline = bytes.subarray(at, at + length)
    at += length
  }
  if ((flags & FLAG.REF) !== 0) {
    ref = { digest: bytes.subarray(at, at + 32), key: bytes.subarray(at + 32, at + 64) }
    at += 64
  }
  let holes = 0
  if ((flags & FLAG.HOLES) !== 0) {
    if (at + 8 > bytes.length) throw corrupt(ino)
    holes = view.getFloat64(at, true)
    at += 8
  }
  if (at > bytes.length) throw corrupt(ino)
  let xattrs = NO_XATTRS
  if ((flags & FLAG.XATTRS) !== 0) xattrs = readXattrs(ino, bytes, view, at)
  else if (at !== bytes.length) throw corrupt(ino)
  return {
    ino,
    fileId: bytes.subarray(96, 112),
    mode: view.getUint32(4, true),
    uid: view.getUint32(8, true),
    gid: view.getUint32(12, true),
    nlink: view.getUint32(16, true),
    rdev: view.getUint32(20, true),
    size: view.getFloat64(24, true),
    atimeSec: view.getFloat64(32, true),
    atimeNsec: view.getUint32(64, true),
    mtimeSec: view.getFloat64(40, true),
    mtimeNsec: view.getUint32(68, true),
    ctimeSec: view.getFloat64(48, true),
    ctimeNsec: view.getUint32(72, true),
    btimeSec: view.getFloat64(56, true),
    btimeNsec: view.getUint32(76, true),
    parent: view.getFloat64(80, true),
    nextCookie: view.getFloat64(88, true),
    fixedChunks: (flags & FLAG.FIXED_CHUNKS) !== 0,
    inline,
    ref,
    unloaded: (flags & FLAG.UNLOADED) !== 0,
    ...(holes === 0 ? {} : { holes }),
    xattrs,
  }
}

function putXattrs(bytes: Buffer, start: number, xattrs: InodeRecord['xattrs'], names: readonly Buffer[]): void {
  let at = bytes.writeUInt16LE(xattrs.length, start)
  xattrs.forEach(({ value }, i) => {
    const name = names[i]!
    at = bytes.writeUInt16LE(name.length, at)
    at = bytes.writeUInt32LE(value.length, at)
    bytes.set(name, at)
    bytes.set(value, at + name.length)
    at += name.length + value.length
  })
}

function readXattrs(ino: number, bytes: Uint8Array, view: DataView, start: number): InodeRecord['xattrs'] {
  const xattrs: { name: string; value: Uint8Array }[] = []
  if (start + 2 > bytes.length) throw corrupt(ino)
  let at = start + 2
  for (let left = view.getUint16(start, true); left > 0; left--) {
    if (at + 6 > bytes.length) throw corrupt(ino)
    const nameEnd = at + 6 + view.getUint16(at, true)
    const valueEnd = nameEnd + view.getUint32(at + 2, true)
    if (valueEnd > bytes.length) throw corrupt(ino)
    xattrs.push({
      name: Buffer.from(bytes.buffer, bytes.byteOffset + at + 6, nameEnd - at - 6).toString('utf8'),
      value: bytes.subarray(nameEnd, valueEnd),
    })
    at = valueEnd
  }
  if (at !== bytes.length) throw corrupt(ino)
  return xattrs
}

function putExact(target: Buffer, source: Uint8Array, offset: number, length: number): void {
  if (source.length !== length) throw new RangeError(`A record field must have ${String(length)} bytes.`)
  target.set(source, offset)
}

function corrupt(ino: number): DriveError {
  return new DriveError('CORRUPT', 'A stored inode record is damaged.', { about: { ino } })
}
