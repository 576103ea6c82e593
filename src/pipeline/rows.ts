/** The table that cutting and sealing fill, one row per chunk. native/seal.c defines the layout. */
import { endianness } from 'node:os'
import type { Digest, SecretKey } from '../base/index.js'
import type { SealItem } from './contract.js'
import { CHUNK } from './contract.js'

export const ROW_BYTES = 96
const KEY = 16
const DEDUP = 48
const DIGEST = 64
const LITTLE = endianness() === 'LE'

/** An upper bound for the number of chunks in these items. */
export function rowCapacity(items: readonly Pick<SealItem, 'length'>[]): number {
  return items.reduce((sum, { length }) => sum + Math.floor(length / CHUNK.MIN) + 1, 0)
}

/**
 * Typed access to the rows of one reused buffer. Numbers are in the host's byte order; the table never leaves the
 * process.
 */
export class Rows {
  readonly bytes: Uint8Array
  readonly #view: DataView

  /** @param from the number of rows, or the bytes of an earlier table */
  constructor(from: number | Uint8Array) {
    this.bytes = typeof from === 'number' ? new Uint8Array(Math.max(1, from) * ROW_BYTES) : from
    this.#view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength)
  }

  get capacity(): number {
    return this.bytes.length / ROW_BYTES
  }

  offset(row: number): number {
    return this.#number(row, 0)
  }

  /** Plaintext bytes. */
  length(row: number): number {
    return this.#number(row, 4)
  }

  /** Bytes of the sealed block; 0: do not seal this one. */
  sealedLength(row: number): number {
    return this.#number(row, 8)
  }

  item(row: number): number {
    return this.#number(row, 12)
  }

  set(row: number, offset: number, length: number, sealedLength: number, item: number): void {
    for (const [index, value] of [offset, length, sealedLength, item].entries()) {
      this.#view.setUint32(row * ROW_BYTES + 4 * index, value, LITTLE)
    }
  }

  /** @param bytes 0: not to be sealed */
  setSealedLength(row: number, bytes: number): void {
    this.#view.setUint32(row * ROW_BYTES + 8, bytes, LITTLE)
  }

  key(row: number): SecretKey {
    return this.#slice(row, KEY, 32)
  }

  dedupId(row: number): Uint8Array {
    return this.#slice(row, DEDUP, 16)
  }

  digest(row: number): Digest {
    return this.#slice(row, DIGEST, 32)
  }

  setKeys(row: number, key: SecretKey, dedupId: Uint8Array): void {
    this.bytes.set(key, row * ROW_BYTES + KEY)
    this.bytes.set(dedupId, row * ROW_BYTES + DEDUP)
  }

  setDigest(row: number, digest: Digest): void {
    this.bytes.set(digest, row * ROW_BYTES + DIGEST)
  }

  #number(row: number, field: number): number {
    return this.#view.getUint32(row * ROW_BYTES + field, LITTLE)
  }

  #slice(row: number, field: number, length: number): Uint8Array {
    const at = row * ROW_BYTES + field
    return this.bytes.slice(at, at + length)
  }
}
