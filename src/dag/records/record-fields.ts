/** The fields of the protobuf message `IpnsEntry` that IPNS records use. https://specs.ipfs.tech/ipns/ipns-record/ */
import { corrupt } from '../corrupt.js'
import { VarintReader, varint } from '../varint.js'

export interface RecordFields {
  readonly value?: Uint8Array
  readonly signatureV1?: Uint8Array
  readonly validityType?: number
  readonly validity?: Uint8Array
  readonly sequence?: number
  readonly ttl?: number
  readonly publicKey?: Uint8Array
  readonly signatureV2?: Uint8Array
  readonly data?: Uint8Array
}

/** Field number, name and whether it is a varint (wire type 0) or bytes (wire type 2). */
const FIELDS = [
  [1, 'value', 'bytes'],
  [2, 'signatureV1', 'bytes'],
  [3, 'validityType', 'number'],
  [4, 'validity', 'bytes'],
  [5, 'sequence', 'number'],
  [6, 'ttl', 'number'],
  [7, 'publicKey', 'bytes'],
  [8, 'signatureV2', 'bytes'],
  [9, 'data', 'bytes'],
] as const

export function encodeRecordFields(fields: RecordFields): Uint8Array {
  const parts: Uint8Array[] = []
  for (const [number, name] of FIELDS) {
    const value = fields[name]
    if (value === undefined) continue
    if (typeof value === 'number') parts.push(varint(number * 8), varint(value))
    else parts.push(varint(number * 8 + 2), varint(value.length), value)
  }
  return new Uint8Array(Buffer.concat(parts))
}

/** CORRUPT for unknown fields, repeated fields and truncated input. Byte fields are views. */
export function decodeRecordFields(bytes: Uint8Array): RecordFields {
  const fields: Record<string, number | Uint8Array> = {}
  let at = 0
  const readVarint = (): number => {
    const reader = new VarintReader()
    for (;;) {
      const byte = bytes[at++]
      if (byte === undefined) throw corrupt('a name record ends too early')
      const value = reader.push(byte)
      if (value !== undefined) return value
    }
  }
  while (at < bytes.length) {
    const tag = readVarint()
    const known = FIELDS.find(([number, , kind]) => tag === number * 8 + (kind === 'bytes' ? 2 : 0))
    if (known === undefined || fields[known[1]] !== undefined) throw corrupt('a name record has an unknown field')
    const value = readVarint()
    if (known[2] === 'number') {
      fields[known[1]] = value
      continue
    }
    if (value > bytes.length - at) throw corrupt('a name record ends too early')
    fields[known[1]] = bytes.subarray(at, at + value)
    at += value
  }
  return fields
}
