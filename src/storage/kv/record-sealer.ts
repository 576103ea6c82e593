/**
 * Encryption of rows at rest, as the store asks for it; the cipher itself is given by the caller (src/crypto).
 * `aad` binds a sealed value to its place: table name || 0 || key. It is only valid during the call.
 */
export interface RowSealer {
  /** Bytes a sealed value is longer than its plaintext. */
  readonly overheadBytes: number
  /** @returns fresh memory that nothing else holds, at least one byte */
  seal(aad: Uint8Array, plain: Uint8Array): Uint8Array
  /** @returns fresh memory; throws CORRUPT when the value was not sealed under this key for this place */
  open(aad: Uint8Array, sealed: Uint8Array): Uint8Array
}

/** The aad of rows of one table; each call reuses the same memory. */
export function rowAad(table: string): (key: Uint8Array) => Uint8Array {
  const prefix = Buffer.from(table + '\0', 'utf8')
  const scratch = Buffer.alloc(prefix.length + 2000)
  scratch.set(prefix)
  return (key) => {
    scratch.set(key, prefix.length)
    return scratch.subarray(0, prefix.length + key.length)
  }
}
