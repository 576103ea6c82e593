/** The bytes of directory entry, chunk and removed-block rows, version 1. Integers are big-endian. */
import { DriveError, nameFromBytes } from '../base/index.js'
import type { Digest, FileId, SecretKey } from '../base/index.js'
import type { ChunkRecord, DentryRecord } from './contract.js'
import { be48, readBe48, readBe64, writeBe64 } from '../storage/kv/index.js'

const DENTRY_HEADER_BYTES = 17
const CHUNK_BYTES = 78

/** Row of `dentries`: ino[8] cookie[8] type[1] name. */
export function encodeDentry(record: DentryRecord): Buffer {
  const bytes = Buffer.allocUnsafe(DENTRY_HEADER_BYTES + record.name.length)
  writeBe64(bytes, record.ino, 0)
  writeBe64(bytes, record.cookie, 8)
  bytes[16] = record.type
  bytes.write(record.name, DENTRY_HEADER_BYTES, 'latin1')
  return bytes
}

export function decodeDentry(bytes: Uint8Array): DentryRecord {
  if (bytes.length <= DENTRY_HEADER_BYTES) throw corrupt('directory entry')
  return {
    name: nameFromBytes(bytes, DENTRY_HEADER_BYTES),
    ino: readBe64(bytes, 0),
    type: bytes[16]!,
    cookie: readBe64(bytes, 8),
  }
}

/** Row of `chunks`: length u32, skip u32, born BE48, digest[32], key[32]; the offset is only in the row's key. */
export function encodeChunk(record: ChunkRecord): Buffer {
  if (record.digest.length !== 32 || record.key.length !== 32)
    throw new RangeError('A digest and a key must have 32 bytes.')
  const bytes = Buffer.allocUnsafe(CHUNK_BYTES)
  bytes.writeUInt32BE(record.length, 0)
  bytes.writeUInt32BE(record.skip, 4)
  bytes.writeUIntBE(record.born, 8, 6)
  bytes.set(record.digest, 14)
  bytes.set(record.key, 46)
  return bytes
}

/** @param offset from the row's key: `secondOf(key)`. `digest` and `key` are views of `bytes`. */
export function decodeChunk(offset: number, bytes: Uint8Array): ChunkRecord {
  if (bytes.length !== CHUNK_BYTES) throw corrupt('chunk')
  return {
    offset,
    length: readU32(bytes, 0),
    skip: readU32(bytes, 4),
    digest: bytes.subarray(14, 46),
    key: bytes.subarray(46, 78),
    born: readBe48(bytes, 8),
  }
}

/**
 * The content of `removed` rows: a block that chunk rows no longer use, the content node of a removed inode, or its
 * fileId. See TABLES.
 */
export type RemovedRecord =
  | { readonly kind: 'block'; readonly digest: Digest; readonly born: number }
  | { readonly kind: 'node' | 'map'; readonly digest: Digest; readonly key: SecretKey }
  | { readonly kind: 'link'; readonly fileId: FileId }

/**
 * Row of `removed`: digest[32] born BE48 0, or digest[32] key[32] 1 (`node`) or 2 (`map`), or fileId[16] 3 (`link`).
 */
export function encodeRemoved(record: RemovedRecord): Buffer {
  if (record.kind === 'block') return Buffer.concat([record.digest, be48(record.born), Buffer.of(0)])
  if (record.kind === 'link') return Buffer.concat([record.fileId, Buffer.of(3)])
  return Buffer.concat([record.digest, record.key, Buffer.of(record.kind === 'node' ? 1 : 2)])
}

export function decodeRemoved(bytes: Uint8Array): RemovedRecord {
  const kind = bytes[bytes.length - 1]
  const digest = bytes.subarray(0, 32)
  if (kind === 0 && bytes.length === 39) return { kind: 'block', digest, born: readBe48(bytes, 32) }
  if ((kind === 1 || kind === 2) && bytes.length === 65) {
    return { kind: kind === 1 ? 'node' : 'map', digest, key: bytes.subarray(32, 64) }
  }
  if (kind === 3 && bytes.length === 17) return { kind: 'link', fileId: bytes.subarray(0, 16) }
  throw corrupt('removed-block')
}

function readU32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

function corrupt(what: string): DriveError {
  return new DriveError('CORRUPT', `A stored ${what} record is damaged.`)
}
