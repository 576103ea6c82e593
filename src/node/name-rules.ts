/** When a node takes a name record, and when one may replace another. */
import { decode } from '@ipld/dag-cbor'
import { DriveError } from '../base/index.js'
import type { CidText } from './contract.js'

/** IPNS specification: a record is at most 10 KiB. */
const RECORD_BYTES = 10 * 1024

/** Throws INVALID when the record is not one of this name. */
export function checkRecord(name: CidText, record: Uint8Array): void {
  if (record.byteLength === 0 || record.byteLength > RECORD_BYTES) throw refused(name)
  sequenceOf(name, record)
}

/** IPNS: only a higher sequence replaces a record that other devices may have seen. */
export function mayReplace(name: CidText, held: Uint8Array, record: Uint8Array): boolean {
  return sequenceOf(name, record) > sequenceOf(name, held)
}

function sequenceOf(name: CidText, record: Uint8Array): bigint {
  // Field 9 of the protobuf message, `data`: a dag-cbor map.
  for (let at = 0; at < record.byteLength;) {
    const tag = varint(record, at)
    at = tag.next
    if ((tag.value & 7) === 0) {
      at = varint(record, at).next
      continue
    }
    const length = varint(record, at)
    const end = length.next + length.value
    if (tag.value >> 3 === 9) {
      const data = decode<{ Sequence: number | bigint }>(record.subarray(length.next, end))
      return BigInt(data.Sequence)
    }
    at = end
  }
  throw refused(name)
}

function varint(bytes: Uint8Array, start: number): { value: number; next: number } {
  let value = 0
  for (let at = start, shift = 1; at < bytes.byteLength; at++, shift *= 128) {
    value += (bytes[at]! & 0x7f) * shift
    if (bytes[at]! < 0x80) return { value, next: at + 1 }
  }
  return { value, next: bytes.byteLength }
}

function refused(name: CidText): DriveError {
  return new DriveError('INVALID', 'That is not a valid record of this name.', { about: { name } })
}
