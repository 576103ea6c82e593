/** Name records with any content, as a lost device can sign them: it has the keys of all names. */
import type { SecretKey } from '../../../src/base/index.js'
import { signEd25519 } from '../../../src/crypto/index.js'
import { encodeRecordFields } from '../../../src/dag/records/record-fields.js'

export interface ForgedRecord {
  /** Usually `/ipfs/CID`. */
  readonly value: string
  /** Any number of 64 bits. */
  readonly sequence: bigint
  /** Default: 2200. */
  readonly validUntilMs?: number
}

/** @param seed of the name's key */
export function forgedRecord({ value, sequence, validUntilMs }: ForgedRecord, seed: SecretKey): Uint8Array {
  const end = new Date(validUntilMs ?? Date.UTC(2200, 0, 1)).toISOString().replace('Z', '000000Z')
  const data = Buffer.concat([
    head(5, 5n),
    ...[text('TTL'), head(0, 60_000_000_000n)],
    ...[text('Value'), bytes(value)],
    ...[text('Sequence'), head(0, sequence)],
    ...[text('Validity'), bytes(end)],
    ...[text('ValidityType'), head(0, 0n)],
  ])
  const signatureV2 = signEd25519(seed, Buffer.concat([Buffer.from('ipns-signature:'), data]))
  return encodeRecordFields({ signatureV2, data })
}

/** The head of a CBOR item, in its shortest form. */
function head(major: number, value: bigint): Buffer {
  if (value < 24n) return Buffer.from([major * 32 + Number(value)])
  const size = value < 2n ** 8n ? 1 : value < 2n ** 16n ? 2 : value < 2n ** 32n ? 4 : 8
  const all = Buffer.alloc(8)
  all.writeBigUInt64BE(value)
  return Buffer.concat([Buffer.from([major * 32 + 24 + Math.log2(size)]), all.subarray(8 - size)])
}

function text(value: string): Buffer {
  return Buffer.concat([head(3, BigInt(value.length)), Buffer.from(value)])
}

function bytes(value: string): Buffer {
  return Buffer.concat([head(2, BigInt(value.length)), Buffer.from(value)])
}
