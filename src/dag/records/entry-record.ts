/**
 * The bytes of an `EntryRecord` (docs/FORMAT.md, "Entry record"): one CBOR list of fixed positions. Unknown versions,
 * unknown kinds and extra items are refused: a program that does not understand a record must not rewrite it.
 */
import { DriveError, MIB } from '../../base/index.js'
import {
  MOST_XATTR_BYTES,
  readStat,
  S_IFMT,
  type Mutable,
  type StatKind,
  writeStat,
  xattrBytes,
} from '../../model/index.js'
import { CborReader } from '../cbor-reader.js'
import { CborWriter } from '../cbor-writer.js'
import type { EntryRecord, FileChunk, TreeRef } from '../contract.js'
import { corrupt } from '../corrupt.js'

const VERSION = 1
const FIELDS = 18
const KIND = { none: 0, inline: 1, chunks: 2, tree: 3, shared: 4 } as const
const FLAG_FIXED_CHUNKS = 1
const RANGES: Readonly<Record<StatKind, { readonly least: number; readonly most: number }>> = {
  u32: { least: 0, most: 0xffffffff },
  size: { least: 0, most: Number.MAX_SAFE_INTEGER },
  seconds: { least: Number.MIN_SAFE_INTEGER, most: Number.MAX_SAFE_INTEGER },
  nanoseconds: { least: 0, most: 999_999_999 },
}
/** The kernel's limits (xattr(7)). It gives names as bytes; here each byte is one character up to U+00FF. */
const MAX_XATTR_NAME = 255
const MAX_XATTR_VALUE_BYTES = 65_536
/** No list of names in the kernel is longer: at most 64 KiB, each name with a zero byte. */
const MAX_XATTRS = 32_768
/** Longer file bodies are stored as chunks. A symlink's target is at most 4,095 bytes. */
export const MAX_INLINE_BYTES = 65_535
/** A longer chunk list becomes a map of its own (`kind: 'tree'`). */
export const MAX_EMBEDDED_CHUNKS = 16
/** No sealed leaf block is longer, so no extent inside a block is longer. */
const MAX_LEAF_BYTES = MIB

const writer = new CborWriter()

/**
 * @param entry xattrs in any order
 * @throws INVALID when a field is out of its range or the content does not fit the file type
 */
export function encodeEntry(entry: EntryRecord): Uint8Array {
  if (!contentFitsType(entry)) throw new DriveError('INVALID', 'The content of an entry does not fit its type.')
  const { content } = entry
  if (content.kind === 'chunks' && content.chunks.length > MAX_EMBEDDED_CHUNKS) {
    throw new DriveError('INVALID', 'Too many chunks to embed in an entry.')
  }
  // If the last call threw in the middle, the writer still holds half a record.
  writer.take()
  writer.array(FIELDS).int(VERSION).bytes(entry.fileId)
  writeStat(entry, (value) => writer.int(value))
  writeXattrs(entry.xattrs)
  writeContent(content, entry.fixedChunks ? FLAG_FIXED_CHUNKS : 0)
  return writer.take()
}

/** (uid_t)-1: every change of a file that shows it fails with EOVERFLOW. */
const NO_OWNER = 0xffffffff
const NOBODY = 65534

/**
 * The inverse of `encodeEntry`. Byte fields are copies. CORRUPT for anything else, including later format versions.
 * @param onExcess is called for each attribute beyond the limit; if it returns, the attribute is left out
 */
export function decodeEntry(bytes: Uint8Array, onExcess: () => void = refuseExcess): EntryRecord {
  const reader = new CborReader(bytes)
  reader.tuple(FIELDS)
  reader.int(VERSION, VERSION)
  const fileId = reader.bytes(16)
  // Adding fields one by one is faster than a spread or Object.assign.
  const entry = readStat((kind) => {
    const range = RANGES[kind]
    return reader.int(range.least, range.most)
  }) as Mutable<EntryRecord>
  entry.fileId = fileId
  entry.xattrs = readXattrs(reader, onExcess)
  const { flags, content } = readContent(reader)
  reader.end()
  entry.fixedChunks = (flags & FLAG_FIXED_CHUNKS) !== 0
  entry.content = content
  if (entry.uid === NO_OWNER) entry.uid = NOBODY
  if (entry.gid === NO_OWNER) entry.gid = NOBODY
  if (entry.mode > MAX_MODE) throw corrupt('the mode of an entry is out of range')
  if (!contentFitsType(entry)) throw corrupt('the content of an entry does not fit its type')
  if (content.kind === 'inline' && content.bytes.length !== entry.size)
    throw corrupt('the body of an entry is not as long as its size')
  return entry
}

const NO_CONTENT: EntryRecord['content'] = { kind: 'none' }

/** One row of a long chunk list, keyed by the offset: `[digest, key, length, skip]`. */
export function encodeFileChunk(chunk: Omit<FileChunk, 'offset'>): Uint8Array {
  writer.take()
  return writer.array(4).bytes(chunk.digest).bytes(chunk.key).int(chunk.length).int(chunk.skip).take()
}

export function decodeFileChunk(offset: number, bytes: Uint8Array): FileChunk {
  const reader = new CborReader(bytes)
  reader.tuple(4)
  const chunk = readRun(reader, offset)
  reader.end()
  return chunk
}

/** Checks that `chunk` lies behind `before`: the chunks of a file ascend and do not overlap. CORRUPT otherwise. */
export function requireDisjoint(before: FileChunk | undefined, chunk: FileChunk): void {
  if (before !== undefined && before.offset + before.length > chunk.offset)
    throw corrupt('the chunks of a file overlap')
}

function writeXattrs(xattrs: EntryRecord['xattrs']): void {
  writer.array(xattrs.length * 2)
  const sorted = xattrs.length < 2 ? xattrs : xattrs.toSorted((a, b) => compareText(a.name, b.name))
  for (const { name, value } of sorted) writer.text(name).bytes(value)
}

function refuseExcess(): never {
  throw corrupt('an entry has too many attributes')
}

function readXattrs(reader: CborReader, onExcess: () => void): EntryRecord['xattrs'] {
  const count = reader.array(MAX_XATTRS * 2)
  if (count % 2 !== 0) throw corrupt('an attribute has no value')
  const xattrs: { name: string; value: Uint8Array }[] = []
  let bytes = 0
  let before: string | undefined
  for (let i = 0; i < count; i += 2) {
    const name = reader.text(2 * MAX_XATTR_NAME)
    if (!XATTR_NAME.test(name)) throw corrupt('an attribute has an impossible name')
    if (before !== undefined && compareText(before, name) >= 0) throw corrupt('attributes are out of order')
    before = name
    const value = reader.bytes(0, MAX_XATTR_VALUE_BYTES)
    bytes += xattrBytes(name, value)
    // A later state of the entry has longer fields and must still fit into a block.
    if (bytes > MOST_XATTR_BYTES) onExcess()
    else xattrs.push({ name, value })
  }
  return xattrs
}

/** 1 to 255 bytes without NUL, each as one character. */
const XATTR_NAME = /^[\u0001-\u00ff]{1,255}$/

function compareText(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

/** `[kind, flags, …]`, the last field of the record. */
function writeContent(content: EntryRecord['content'], flags: number): void {
  const kind = KIND[content.kind]
  if (content.kind === 'inline') {
    if (content.bytes.length > MAX_INLINE_BYTES) throw new DriveError('INVALID', 'An inline body is too long.')
    writer.array(3).int(kind).int(flags).bytes(content.bytes)
  } else if (content.kind === 'tree') {
    writer.array(4).int(kind).int(flags).bytes(content.ref.digest).bytes(content.ref.key)
  } else if (content.kind === 'chunks') {
    writer
      .array(2 + 5 * content.chunks.length)
      .int(kind)
      .int(flags)
    for (const { offset, digest, key, length, skip } of content.chunks) {
      writer.int(offset).bytes(digest).bytes(key).int(length).int(skip)
    }
  } else {
    writer.array(2).int(kind).int(flags)
  }
}

function readContent(reader: CborReader): { flags: number; content: EntryRecord['content'] } {
  const count = reader.array(2 + 5 * MAX_EMBEDDED_CHUNKS)
  const kind = count < 2 ? -1 : reader.int(0, KIND.shared)
  const flags = count < 2 ? 0 : reader.int(0, FLAG_FIXED_CHUNKS)
  if (kind === KIND.none && count === 2) return { flags, content: NO_CONTENT }
  if (kind === KIND.shared && count === 2) return { flags, content: { kind: 'shared' } }
  if (kind === KIND.inline && count === 3) {
    return { flags, content: { kind: 'inline', bytes: reader.bytes(0, MAX_INLINE_BYTES) } }
  }
  if (kind === KIND.tree && count === 4) return { flags, content: { kind: 'tree', ref: readRef(reader) } }
  if (kind === KIND.chunks && count % 5 === 2 && count > 2) {
    return { flags, content: { kind: 'chunks', chunks: readChunks(reader, (count - 2) / 5) } }
  }
  throw corrupt('an entry has an unknown kind of content')
}

function readRef(reader: CborReader): TreeRef {
  return { digest: reader.bytes(32), key: reader.bytes(32) }
}

function readChunks(reader: CborReader, count: number): FileChunk[] {
  const chunks: FileChunk[] = []
  for (let i = 0; i < count; i++) {
    const chunk = readRun(reader, reader.int())
    requireDisjoint(chunks.at(-1), chunk)
    chunks.push(chunk)
  }
  return chunks
}

function readRun(reader: CborReader, offset: number): FileChunk {
  const digest = reader.bytes(32)
  const key = reader.bytes(32)
  const length = reader.int(1, MAX_LEAF_BYTES)
  const skip = reader.int(0, MAX_LEAF_BYTES - length)
  if (offset + length > Number.MAX_SAFE_INTEGER) throw corrupt('a chunk ends past the maximum file size')
  return { offset, length, skip, digest, key }
}

const S_IFDIR = 0o040000
const S_IFREG = 0o100000
const S_IFLNK = 0o120000
/** FIFO, character device, block device, socket. */
const SPECIAL = [0o010000, 0o020000, 0o060000, 0o140000]

/** Type and permissions; a mode has no more bits. */
const MAX_MODE = 0o177777

/** The limit of symlink(2). */
const MAX_TARGET_BYTES = 4095

function contentFitsType({ mode, content }: Pick<EntryRecord, 'mode' | 'content'>): boolean {
  const { kind } = content
  const type = mode & S_IFMT
  if (type === S_IFREG) return true
  if (type === S_IFDIR) return kind === 'none' || kind === 'tree'
  if (type === S_IFLNK) return kind === 'shared' || (kind === 'inline' && isTarget(content.bytes))
  return SPECIAL.includes(type) && (kind === 'none' || kind === 'shared')
}

function isTarget(bytes: Uint8Array): boolean {
  return bytes.length > 0 && bytes.length <= MAX_TARGET_BYTES && !bytes.includes(0)
}
