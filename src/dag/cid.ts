/**
 * CIDs as text and bytes, only the kinds this format knows: CIDv1, raw or dag-pb, sha2-256, base32 (`bafkrei…`,
 * `bafybei…`); and IPNS names of Ed25519 keys (CIDv1, libp2p-key, identity multihash, base36: `k51…`).
 * https://github.com/multiformats/cid
 */
import type { Digest } from '../base/index.js'
import type { Block } from './contract.js'
import { corrupt } from './corrupt.js'

export type Codec = Block['codec']

const CODE: Record<Codec, number> = { raw: 0x55, 'dag-pb': 0x70 }
const VERSION_1 = 1
const SHA2_256 = 0x12
const DIGEST_BYTES = 32
export const CID_BYTES = 4 + DIGEST_BYTES
const CID_CHARACTERS = 1 + Math.ceil((CID_BYTES * 8) / 5)

export interface Cid {
  readonly digest: Digest
  readonly codec: Codec
}

/** 36 bytes: version, codec, hash, length, digest. */
export function cidBytes({ digest, codec }: Cid): Uint8Array {
  const bytes = new Uint8Array(CID_BYTES)
  bytes.set([VERSION_1, CODE[codec], SHA2_256, DIGEST_BYTES])
  bytes.set(digest, 4)
  return bytes
}

/** Decodes exactly 36 bytes. CORRUPT for an unknown kind of CID. The digest is a copy. */
export function cidFromBytes(bytes: Uint8Array): Cid {
  const codec = bytes[1] === CODE.raw ? 'raw' : bytes[1] === CODE['dag-pb'] ? 'dag-pb' : undefined
  const isKnown =
    bytes.length === CID_BYTES && bytes[0] === VERSION_1 && bytes[2] === SHA2_256 && bytes[3] === DIGEST_BYTES
  if (codec === undefined || !isKnown) throw corrupt('a CID of an unknown kind')
  return { digest: new Uint8Array(bytes.subarray(4)), codec }
}

/** The CID's text, `b` and base32. */
export function cidOf(digest: Digest, codec: Codec): string {
  return `b${base32(cidBytes({ digest, codec }))}`
}

/** The inverse of `cidOf`. CORRUPT for any other text, including other spellings of the same CID. */
export function parseCid(text: string): Cid {
  if (text.length !== CID_CHARACTERS || text[0] !== 'b') throw corrupt('a CID of an unknown form')
  return cidFromBytes(fromBase32(text.slice(1)))
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'
const FROM_BASE32 = new Map([...BASE32].map((character, value) => [character, value]))

function base32(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let value = 0
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xffff
    for (bits += 8; bits >= 5; bits -= 5) text += BASE32[(value >>> (bits - 5)) & 31]
  }
  return bits === 0 ? text : text + BASE32[(value << (5 - bits)) & 31]
}

function fromBase32(text: string): Uint8Array {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8))
  let at = 0
  let bits = 0
  let value = 0
  for (const character of text) {
    const five = FROM_BASE32.get(character)
    if (five === undefined) throw corrupt('a CID with a character outside base32')
    value = ((value << 5) | five) & 0xffff
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes[at++] = (value >>> bits) & 0xff
  }
  if ((value & ((1 << bits) - 1)) !== 0) throw corrupt('a CID whose unused bits are not zero')
  return bytes
}

// ---------------------------------------------------------------- IPNS names

/** CIDv1, libp2p-key, identity multihash of 36 bytes: protobuf { Type: Ed25519, Data: 32 bytes }. */
const NAME_PREFIX = Uint8Array.of(0x01, 0x72, 0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
const NAME_BYTES = NAME_PREFIX.length + 32
/** `k` and 61 digits, for every key. */
const NAME_CHARACTERS = 62

/** The name an Ed25519 public key (32 bytes) publishes under: `k51…`. */
export function nameOfKey(publicKey: Uint8Array): string {
  const number = BigInt(`0x${Buffer.concat([NAME_PREFIX, publicKey]).toString('hex')}`)
  return `k${number.toString(36)}`
}

/** The inverse of `nameOfKey`: the public key of an IPNS name. CORRUPT for any other text. */
export function keyOfName(name: string): Uint8Array {
  if (!/^k[0-9a-z]+$/.test(name) || name.length !== NAME_CHARACTERS) throw corrupt('a name of an unknown form')
  let number = 0n
  for (const character of name.slice(1)) number = number * 36n + BigInt(parseInt(character, 36))
  const bytes = Buffer.from(number.toString(16).padStart(NAME_BYTES * 2, '0'), 'hex')
  if (bytes.length !== NAME_BYTES || !bytes.subarray(0, NAME_PREFIX.length).equals(NAME_PREFIX)) {
    throw corrupt('a name of an unknown kind')
  }
  return new Uint8Array(bytes.subarray(NAME_PREFIX.length))
}
