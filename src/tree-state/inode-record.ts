/**
 * The bytes of an inode row, version 1; numbers are little-endian, 53-bit integers are float64.
 *
 *   0 version  1 flags  2 inline length u16  4 mode  8 uid  12 gid  16 nlink  20 rdev (u32 each)
 *   24 size  32 atime  40 mtime  48 ctime  56 btime seconds (f64)  64, 68, 72, 76 their nanoseconds (u32)
 *   80 parent f64  88 nextCookie f64  96 fileId[16]  112 inline … ref digest[32] key[32] … holes f64 … xattrs
 *   xattrs: count u16, then for each: name length u16, value length u32, name (UTF-8), value
 */
import { DriveError } from '../base/index.js'
import { readStat, writeStat, type Mutable } from '../model/index.js'
import type { InodeRecord, NodeRef } from './contract.js'

const VERSION = 1
const HEADER_BYTES = 112
/** Offsets of the stat fields: u32 ones, sizes and seconds, nanoseconds. Each group is contiguous. */
const STAT_AT: readonly [u32: number, wide: number, nanoseconds: number] = [4, 24, 64]
const FLAG = { INLINE: 1, REF: 2, XATTRS: 4, FIXED_CHUNKS: 8, UNLOADED: 16, HOLES: 32 } as const
const NO_XATTRS: InodeRecord['xattrs'] = []

/**
 * The row value of `record`. Its `ino` is only in the key. Inline bodies are at most 65,535 bytes.
 * @param size is stored instead of the record's
 */
export function encodeInode(record: InodeRecord, size: number = record.size): Buffer {
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
  let [u32At, wideAt, nanosecondsAt] = STAT_AT
  writeStat(record, (value, kind) => {
    if (kind === 'u32') view.setUint32((u32At += 4) - 4, value, true)
    else if (kind === 'nanoseconds') view.setUint32((nanosecondsAt += 4) - 4, value, true)
    else view.setFloat64((wideAt += 8) - 8, kind === 'size' ? size : value, true)
  })
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
  let [u32At, wideAt, nanosecondsAt] = STAT_AT
  // Adding fields one by one is faster than a spread or Object.assign.
  const record = readStat((kind) => {
    if (kind === 'u32') return view.getUint32((u32At += 4) - 4, true)
    if (kind === 'nanoseconds') return view.getUint32((nanosecondsAt += 4) - 4, true)
    return view.getFloat64((wideAt += 8) - 8, true)
  }) as Mutable<InodeRecord>
  record.ino = ino
  record.fileId = bytes.subarray(96, 112)
  record.parent = view.getFloat64(80, true)
  record.nextCookie = view.getFloat64(88, true)
  record.fixedChunks = (flags & FLAG.FIXED_CHUNKS) !== 0
  record.inline = inline
  record.ref = ref
  record.unloaded = (flags & FLAG.UNLOADED) !== 0
  record.xattrs = xattrs
  if (holes !== 0) record.holes = holes
  return record
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
