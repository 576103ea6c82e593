/**
 * Makes and checks IPNS records on this machine, so the key never leaves it. Owns the bytes; the node publishes them.
 * https://specs.ipfs.tech/ipns/ipns-record/
 */
import { DriveError, type SecretKey } from '../base/index.js'
import { signEd25519, verifyEd25519 } from '../crypto/index.js'
import { keyOfName, parseCid } from './cid.js'
import { CborReader } from './cbor-reader.js'
import { CborWriter } from './cbor-writer.js'
import { corrupt } from './corrupt.js'
import { decodeSignedFields, encodeRecordFields, type RecordFields } from './records/record-fields.js'

/** IPNS implementations refuse larger records. */
const MAX_RECORD_BYTES = 10 * 1024
const VALIDITY_TYPE_EOL = 0
const PREFIX_V2 = Buffer.from('ipns-signature:')
const PREFIX_VALUE = '/ipfs/'
const NS_PER_MS = 1_000_000

export interface NameRecord {
  /** CID text of a version root (dag-pb) or of another kind of block in this format. */
  readonly cid: string
  /** 0 … 2^53 − 1. */
  readonly sequence: number
  /** The record expires at this time, in milliseconds since 1970. */
  readonly validUntilMs: number
  /** How long caches may keep it. */
  readonly ttlMs: number
}

export interface MakeOptions {
  /**
   * Adds the fields and the signature of version 1. Kubo writes them by default, but no current reader needs them.
   * Default: absent.
   */
  readonly withVersion1?: boolean
}

/**
 * @param seed Ed25519 seed of the name's key @returns the same bytes for the same input
 * @throws INVALID when a number is out of range, CORRUPT when the CID is not one
 */
export function makeNameRecord(
  record: NameRecord,
  seed: SecretKey,
  { withVersion1 = false }: MakeOptions = {},
): Uint8Array {
  parseCid(record.cid)
  const value = Buffer.from(PREFIX_VALUE + record.cid)
  const validity = Buffer.from(nanoTime(record.validUntilMs))
  const ttl = record.ttlMs * NS_PER_MS
  const { sequence } = record
  if (![sequence, ttl].every((n) => Number.isSafeInteger(n) && n >= 0)) {
    throw new DriveError('INVALID', 'A number in the name record is out of range.')
  }
  const data = encodeData({ value, validity, sequence, ttl })
  const signed: RecordFields = { signatureV2: signEd25519(seed, Buffer.concat([PREFIX_V2, data])), data }
  if (!withVersion1) return encodeRecordFields(signed)
  const signatureV1 = signEd25519(seed, Buffer.concat([value, validity, Buffer.from('EOL')]))
  return encodeRecordFields({ ...signed, value, signatureV1, validityType: VALIDITY_TYPE_EOL, validity, sequence, ttl })
}

/**
 * Reads only what is signed. Unsigned copies of signed fields and unknown fields count for nothing: a node may add or
 * change them.
 * @param name `k51…`, the name the record was found under
 * @returns the signed content, which may be anything; CORRUPT unless it is signed by the name's key
 */
export function signedContent(name: string, bytes: Uint8Array): Uint8Array {
  if (bytes.length > MAX_RECORD_BYTES) throw corrupt('a name record is too long')
  const publicKey = keyOfName(name)
  const { data, signatureV2 } = decodeSignedFields(bytes)
  if (data === undefined || signatureV2?.length !== 64) throw corrupt('a name record has no signature')
  if (!verifyEd25519(publicKey, Buffer.concat([PREFIX_V2, data]), signatureV2)) {
    throw corrupt('a name record is not signed by the key of its name')
  }
  return data
}

/**
 * @param name `k51…`, the name the record was found under
 * @param nowMs used to refuse expired records; absent: they are accepted
 * @returns the content of the record; CORRUPT when it is malformed, expired, or not signed by the name's key
 */
export function openNameRecord(
  name: string,
  bytes: Uint8Array,
  { nowMs }: { readonly nowMs?: number } = {},
): NameRecord {
  const record = decodeNameRecord(signedContent(name, bytes))
  if (nowMs !== undefined && record.validUntilMs <= nowMs) throw corrupt('a name record has expired')
  return record
}

/**
 * @param content as `signedContent` returns it
 * @returns the content of the record; CORRUPT when it is malformed
 */
export function decodeNameRecord(content: Uint8Array): NameRecord {
  const signed = decodeData(content)
  const value = Buffer.from(signed.value).toString('latin1')
  if (!value.startsWith(PREFIX_VALUE)) throw corrupt('a name record does not point to a CID')
  const cid = value.slice(PREFIX_VALUE.length)
  parseCid(cid)
  const validUntilMs = parseNanoTime(Buffer.from(signed.validity).toString('latin1'))
  return { cid, sequence: signed.sequence, validUntilMs, ttlMs: Math.floor(signed.ttl / NS_PER_MS) }
}

/**
 * Positive when `a` wins the IPNS selection (higher sequence, then later end of life), negative when `b` wins, 0 for a
 * tie.
 */
export function compareNameRecords(a: NameRecord, b: NameRecord): number {
  return a.sequence - b.sequence || a.validUntilMs - b.validUntilMs
}

interface SignedData {
  readonly value: Uint8Array
  readonly validity: Uint8Array
  readonly sequence: number
  readonly ttl: number
}

function encodeData({ value, validity, sequence, ttl }: SignedData): Uint8Array {
  const writer = new CborWriter().map(5).text('TTL').int(ttl).text('Value').bytes(value).text('Sequence').int(sequence)
  return writer.text('Validity').bytes(validity).text('ValidityType').int(VALIDITY_TYPE_EOL).take()
}

function decodeData(data: Uint8Array): SignedData {
  const reader = new CborReader(data)
  const keyed = <T>(key: string, read: () => T): T => {
    reader.key(key)
    return read()
  }
  reader.map(5)
  const ttl = keyed('TTL', () => reader.int())
  const value = keyed('Value', () => reader.bytes(0, 1024))
  const sequence = keyed('Sequence', () => reader.int())
  const validity = keyed('Validity', () => reader.bytes(0, 64))
  keyed('ValidityType', () => reader.int(VALIDITY_TYPE_EOL, VALIDITY_TYPE_EOL))
  reader.end()
  return { value, validity, sequence, ttl }
}

/** RFC 3339 with nanoseconds, as IPNS requires. */
function nanoTime(timeMs: number): string {
  const date = new Date(timeMs)
  if (!Number.isSafeInteger(timeMs) || Number.isNaN(date.getTime()) || timeMs < 0 || date.getUTCFullYear() > 9999) {
    throw new DriveError('INVALID', 'A time in the name record is out of range.')
  }
  return date.toISOString().replace('Z', '000000Z')
}

const NANO_TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?Z$/

function parseNanoTime(text: string): number {
  const match = NANO_TIME.exec(text)
  const seconds = match === null ? NaN : Date.parse(`${match[1]}Z`)
  if (Number.isNaN(seconds)) throw corrupt('a name record has an impossible time')
  return seconds + Number((match![2] ?? '.').slice(1, 4).padEnd(3, '0'))
}
