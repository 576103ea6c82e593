/** The fields of the protobuf message `IpnsEntry` that IPNS records use. https://specs.ipfs.tech/ipns/ipns-record/ */
import { corrupt } from '../corrupt.js'
import { varint } from '../varint.js'

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

/**
 * The fields that a signature covers. Everything else is skipped as protobuf prescribes: the signer of a record may add
 * anything that nodes accept. Of a repeated field the last one counts. CORRUPT for truncated input. The fields are
 * views.
 */
export function decodeSignedFields(bytes: Uint8Array): Pick<RecordFields, 'signatureV2' | 'data'> {
  const fields: { signatureV2?: Uint8Array; data?: Uint8Array } = {}
  let at = 0
  let depth = 0
  const skip = (count: number): number => {
    const from = at
    if (count > bytes.length - at) throw corrupt('a name record ends too early')
    at += count
    return from
  }
  const readVarint = (): number => {
    let value = 0
    for (let i = 0; i < MOST_VARINT_BYTES; i++) {
      const byte = bytes[skip(1)]!
      value += (byte & 0x7f) * 0x80 ** i
      if (byte < 0x80) return value
    }
    throw corrupt('a number in a name record is too long')
  }
  while (at < bytes.length) {
    const tag = readVarint()
    switch (tag % 8) {
      case WIRE.varint:
        readVarint()
        break
      case WIRE.fixed64:
        skip(8)
        break
      case WIRE.bytes: {
        const length = readVarint()
        const view = bytes.subarray(skip(length), at)
        if (depth > 0) break
        if (tag === SIGNATURE_V2_TAG) fields.signatureV2 = view
        if (tag === DATA_TAG) fields.data = view
        break
      }
      case WIRE.groupBegin:
        depth++
        break
      case WIRE.groupEnd:
        if (--depth < 0) throw corrupt('a name record has an impossible field')
        break
      case WIRE.fixed32:
        skip(4)
        break
      default:
        throw corrupt('a name record has an impossible field')
    }
  }
  if (depth > 0) throw corrupt('a name record ends too early')
  return fields
}

/** https://protobuf.dev/programming-guides/encoding/ */
const WIRE = { varint: 0, fixed64: 1, bytes: 2, groupBegin: 3, groupEnd: 4, fixed32: 5 } as const
const MOST_VARINT_BYTES = 10
const SIGNATURE_V2_TAG = 8 * 8 + WIRE.bytes
const DATA_TAG = 9 * 8 + WIRE.bytes
