/**
 * The interface for encryption of rows at rest; the caller supplies the cipher (src/crypto). `aad` binds a sealed value
 * to its location: the table's name, a zero byte, the key. It is only valid during the call.
 */
export interface RowSealer {
  /**
   * @param take memory of this many bytes for the result; by default newly allocated
   * @returns at least one byte
   */
  seal(aad: Uint8Array, plain: Uint8Array, take?: (bytes: number) => Buffer): Uint8Array
  /** @returns newly allocated memory; throws CORRUPT when the value was not sealed with this key for this location */
  open(aad: Uint8Array, sealed: Uint8Array): Uint8Array
}

/** Builds the aad of rows of one table; each call reuses the same memory. */
export function rowAad(table: string): (key: Uint8Array) => Uint8Array {
  const prefix = Buffer.from(table + '\0', 'utf8')
  const scratch = Buffer.alloc(prefix.length + 2000)
  scratch.set(prefix)
  // Keys of a table have few lengths, and making a view costs as much as filling it.
  const views: Uint8Array[] = []
  return (key) => {
    scratch.set(key, prefix.length)
    return (views[key.length] ??= scratch.subarray(0, prefix.length + key.length))
  }
}
