import { corrupt } from './corrupt.js'

/**
 * Reads canonical DAG-CBOR items from bytes that may be hostile. Strict: shortest heads, definite lengths, no tags,
 * floats or undefined, nothing after the end. There is no recursion. A length is checked against the remaining bytes
 * before memory is allocated for it. So the caller's code alone bounds depth and memory. Throws CORRUPT.
 */
export class CborReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    // A plain view: `slice` of a Buffer would not copy.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** @returns the number of items that follow, 0 … `most` */
  array(most: number): number {
    return this.#count(4, most)
  }

  /** An array of exactly `count` items. */
  tuple(count: number): void {
    if (this.#count(4, count) !== count) throw corrupt('a list has the wrong length')
  }

  /** A map of exactly these keys, in canonical order: call `key` with each, then read its value. */
  map(count: number): void {
    if (this.#count(5, count) !== count) throw corrupt('a map has the wrong length')
  }

  key(expected: string): void {
    if (this.text(expected.length) !== expected) throw corrupt('a map has an unexpected key')
  }

  /** A whole number within `least … most`. */
  int(least = 0, most = Number.MAX_SAFE_INTEGER): number {
    const first = this.#peek()
    const major = first >> 5
    if (major > 1) throw corrupt('a number is expected')
    const argument = this.#argument(major)
    const value = major === 0 ? argument : -1 - argument
    if (!Number.isSafeInteger(value) || value < least || value > most) throw corrupt('a number is out of range')
    return value
  }

  /** A copy of a byte string of `least … most` bytes. */
  bytes(least: number, most = least): Uint8Array {
    const from = this.#bytesFrom(least, most)
    return this.#bytes.slice(from, this.#at)
  }

  /** Like `bytes`, but returns a view on the input. */
  view(least: number, most = least): Uint8Array {
    const from = this.#bytesFrom(least, most)
    return this.#bytes.subarray(from, this.#at)
  }

  /** UTF-8 text of at most `most` bytes. */
  text(most: number): string {
    const length = this.#count(3, most)
    const from = this.#at
    this.#at += length
    try {
      return UTF8.decode(this.#bytes.subarray(from, this.#at))
    } catch (cause) {
      throw corrupt('text is not UTF-8', cause)
    }
  }

  /** Consumes a null if it is next. */
  null(): boolean {
    if (this.#peek() !== 0xf6) return false
    this.#at++
    return true
  }

  /** Throws unless everything was consumed. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw corrupt('bytes follow the end')
  }

  /** Moves past a byte string. @returns where it begins; it ends at `#at` */
  #bytesFrom(least: number, most: number): number {
    const length = this.#count(2, most)
    if (length < least) throw corrupt('a byte string is too short')
    const from = this.#at
    this.#at += length
    return from
  }

  #peek(): number {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) throw corrupt('it ends too early')
    return byte
  }

  /** A length: at most `most`, and at most the remaining bytes (every item takes at least one byte). */
  #count(major: number, most: number): number {
    if (this.#peek() >> 5 !== major) throw corrupt('an item has an unexpected type')
    const count = this.#argument(major)
    if (count > most) throw corrupt('a length is over its limit')
    if (count > this.#bytes.length - this.#at) throw corrupt('it ends too early')
    return count
  }

  #argument(major: number): number {
    const low = this.#peek() - (major << 5)
    this.#at++
    if (low < 24) return low
    if (low > 27) throw corrupt('an item has no definite length')
    const size = 1 << (low - 24)
    if (this.#at + size > this.#bytes.length) throw corrupt('it ends too early')
    const from = this.#at
    this.#at += size
    let value = 0
    for (let i = 0; i < size; i++) value = value * 0x100 + this.#bytes[from + i]!
    if (value < SHORTEST[size]!) throw corrupt('a number is not in its shortest form')
    return value
  }
}

/** The smallest number that needs this many bytes. */
const SHORTEST: Readonly<Record<number, number>> = { 1: 24, 2: 0x100, 4: 0x10000, 8: 0x100000000 }

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
