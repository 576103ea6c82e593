/**
 * Fixed-width big-endian integers as keys, so that LMDB's byte order is numeric order.
 * Integers are JS numbers 0 … 2^53 − 1.
 */
const TWO_32 = 0x1_0000_0000

/** Writes `value` as 8 big-endian bytes. @returns the offset after them */
export function writeBe64(target: Buffer, value: number, offset: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError('An integer key must be 0 … 2^53 − 1.')
  target.writeUInt32BE(Math.floor(value / TWO_32), offset)
  return target.writeUInt32BE(value % TWO_32, offset + 4)
}

/** Reads 8 big-endian bytes; values of 2^53 and more lose precision and never occur in our keys. */
export function readBe64(bytes: Uint8Array, offset = 0): number {
  const high =
    ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>> 0
  const low =
    ((bytes[offset + 4]! << 24) | (bytes[offset + 5]! << 16) | (bytes[offset + 6]! << 8) | bytes[offset + 7]!) >>> 0
  return high * TWO_32 + low
}

/** 8 big-endian bytes. */
export function be64(value: number): Buffer {
  const key = Buffer.allocUnsafe(8)
  writeBe64(key, value, 0)
  return key
}

/** 6 big-endian bytes; `value` is 0 … 2^48 − 1. */
export function be48(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(6)
  bytes.writeUIntBE(value, 0, 6)
  return bytes
}

export function readBe48(bytes: Uint8Array, offset = 0): number {
  const high = (bytes[offset]! << 8) | bytes[offset + 1]!
  const low =
    ((bytes[offset + 2]! << 24) | (bytes[offset + 3]! << 16) | (bytes[offset + 4]! << 8) | bytes[offset + 5]!) >>> 0
  return high * TWO_32 + low
}
