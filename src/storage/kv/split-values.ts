/**
 * Stores values slightly longer than an LMDB page. LMDB keeps a long value in whole pages: a sealed file page takes
 * 4,136 bytes, which would be two. In a table whose keys all have one length, such a value is split: its first part
 * fills one page, and the rest is a separate row directly after it in the same leaf. The key of the rest is the key of
 * the value plus a zero byte.
 */
import type { Row } from './merge-rows.js'

/** Capacity of one LMDB page without its header (24 bytes in lmdb-js). */
const FIRST_BYTES = 4096 - 24
/** A longer rest would make leaves large and save little. */
const MOST_REST_BYTES = 1024

export type StoredRow = readonly [key: Buffer, value: Uint8Array | undefined]

/** The rows that store a value; undefined removes a row. @param value undefined: it is removed */
export function splitRows(key: Buffer, value: Uint8Array | undefined): readonly [StoredRow, StoredRow] {
  const isSplit = value !== undefined && value.length > FIRST_BYTES && value.length <= FIRST_BYTES + MOST_REST_BYTES
  if (!isSplit)
    return [
      [key, value],
      [restKey(key), undefined],
    ]
  return [
    [key, value.subarray(0, FIRST_BYTES)],
    [restKey(key), value.subarray(FIRST_BYTES)],
  ]
}

/** @param rest reads the row of the rest, if there may be one */
export function wholeValue(first: Uint8Array, rest: () => Uint8Array | undefined): Uint8Array {
  if (first.length !== FIRST_BYTES) return first
  // The next read may use the same memory.
  const begun = Buffer.from(first)
  const more = rest()
  return more === undefined ? begun : Buffer.concat([begun, more])
}

export const restKey = (key: Uint8Array): Buffer => Buffer.concat([key, Buffer.of(0)])

/** At most `limit` whole rows. @param rows stored rows, in key order; the first may be the rest of an earlier value */
export function* wholeRows(
  rows: Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }>,
  keyBytes: number,
  limit = Infinity,
): Generator<Row, undefined> {
  let begun: Row | undefined
  let left = limit
  for (const { key, value } of rows) {
    if (left <= 0) return
    const isRest = key.length > keyBytes
    if (begun !== undefined) {
      yield isRest ? [begun[0], Buffer.concat([begun[1], value])] : begun
      begun = undefined
      if (--left <= 0) return
    }
    if (isRest) continue
    if (value.length === FIRST_BYTES) begun = [key, Buffer.from(value)]
    else {
      yield [key, value]
      left--
    }
  }
  if (begun !== undefined && left > 0) yield begun
}

/** The keys of `wholeRows`. */
export function* wholeKeys(keys: Iterable<Uint8Array>, keyBytes: number, limit = Infinity): Generator<Uint8Array> {
  let left = limit
  for (const key of keys) {
    if (left <= 0) return
    if (key.length > keyBytes) continue
    yield key
    left--
  }
}

/** Maximum number of stored rows for this many whole ones. */
export const storedLimit = (limit: number): number => 2 * limit + 1
