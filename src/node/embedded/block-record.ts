/**
 * Where one block lies, as a record of 64 bytes with a checksum of its own, so that damage costs the records it hits
 * and no others:
 * kind 1 byte (1 lies there, 2 forgotten), 3 zero, segment BE32, offset BE48, length BE48, digest 32, zero 8,
 *        CRC-32 of the first 60.
 */
import { crc32 } from 'node:zlib'
import type { Digest } from '../../base/index.js'
import type { BlockLocation } from '../../storage/segments/index.js'

export const RECORD_BYTES = 64
/** Larger blocks are not stored, so a greater length means damage. */
export const MAX_BLOCK_BYTES = 8 * 1024 * 1024

const LIES_THERE = 1
const FORGOTTEN = 2
const CHECKED_BYTES = 60
/** Offset of the digest in a record. */
export const DIGEST_AT = 20

export interface BlockRecord {
  readonly digest: Digest
  /** Undefined: the block is forgotten. */
  readonly location: BlockLocation | undefined
}

/** Writes a record at `at` of `into`. */
function encodeRecord({ digest, location }: BlockRecord, into: Buffer, at: number): void {
  into.fill(0, at, at + RECORD_BYTES)
  into[at] = location === undefined ? FORGOTTEN : LIES_THERE
  if (location !== undefined) {
    into.writeUInt32BE(location.segment, at + 4)
    into.writeUIntBE(location.offset, at + 8, 6)
    into.writeUIntBE(location.length, at + 14, 6)
  }
  into.set(digest, at + DIGEST_AT)
  into.writeUInt32BE(crc32(into.subarray(at, at + CHECKED_BYTES)), at + CHECKED_BYTES)
}

/** All records of the list one after the other. */
export function encodeRecords(records: readonly BlockRecord[]): Buffer {
  const bytes = Buffer.allocUnsafe(records.length * RECORD_BYTES)
  records.forEach((record, i) => encodeRecord(record, bytes, i * RECORD_BYTES))
  return bytes
}

/** Whether a record with a correct checksum is at `at`. */
export function isSound(from: Buffer, at: number): boolean {
  // Almost all invalid bytes fail here, and zero bytes always do.
  if (from[at] !== LIES_THERE && from[at] !== FORGOTTEN) return false
  return crc32(from.subarray(at, at + CHECKED_BYTES)) === from.readUInt32BE(at + CHECKED_BYTES)
}

/** Like Buffer.compare, of the digest of the record at `at` with `digest`. The record may be damaged. */
export function compareDigest(from: Buffer, at: number, digest: Digest): number {
  return from.compare(digest, 0, 32, at + DIGEST_AT, at + DIGEST_AT + 32)
}

/** @returns the record at `at`, its digest in fresh memory; undefined when it is damaged */
export function decodeRecord(from: Buffer, at: number): BlockRecord | undefined {
  if (at + RECORD_BYTES > from.length) return undefined
  if (!isSound(from, at)) return undefined
  const digest = Uint8Array.from(from.subarray(at + DIGEST_AT, at + DIGEST_AT + 32))
  if (from[at] === FORGOTTEN) return { digest, location: undefined }
  const location = {
    segment: from.readUInt32BE(at + 4),
    offset: from.readUIntBE(at + 8, 6),
    length: from.readUIntBE(at + 14, 6),
  }
  return location.length <= MAX_BLOCK_BYTES ? { digest, location } : undefined
}
