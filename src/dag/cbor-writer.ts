import { DriveError } from '../base/index.js'

/**
 * Writes canonical DAG-CBOR (RFC 8949, definite lengths, shortest heads) item by item; the caller says how many items
 * an array or map has. Owns only the syntax. Reusable: `take` hands out a copy and starts again.
 */
export class CborWriter {
  #bytes = Buffer.allocUnsafeSlow(1024)
  #length = 0

  get length(): number {
    return this.#length
  }

  array(count: number): this {
    return this.#head(0x80, count)
  }

  /** Keys follow as `text`, sorted by length, then bytewise; the caller keeps that order. */
  map(count: number): this {
    return this.#head(0xa0, count)
  }

  /** A whole number, −2^53 < value < 2^53. */
  int(value: number): this {
    if (!Number.isSafeInteger(value))
      throw new DriveError('INVALID', 'The number to store must be a whole number between −2^53 and 2^53.')
    return value < 0 ? this.#head(0x20, -1 - value) : this.#head(0x00, value)
  }

  bytes(value: Uint8Array): this {
    this.#head(0x40, value.length)
    return this.raw(value)
  }

  /** UTF-8; lone surrogates become U+FFFD. */
  text(value: string): this {
    const encoded = Buffer.from(value, 'utf8')
    this.#head(0x60, encoded.length)
    return this.raw(encoded)
  }

  null(): this {
    this.#reserve(1)
    this.#bytes[this.#length++] = 0xf6
    return this
  }

  /** Appends items that are already encoded. */
  raw(value: Uint8Array): this {
    this.#reserve(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
    return this
  }

  /** A copy of everything written since the last `take`. */
  take(): Uint8Array {
    const out = new Uint8Array(this.#length)
    out.set(this.#bytes.subarray(0, this.#length))
    this.#length = 0
    return out
  }

  #reserve(extra: number): void {
    const needed = this.#length + extra
    if (needed <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }

  #head(major: number, argument: number): this {
    this.#reserve(9)
    const bytes = this.#bytes
    let at = this.#length
    if (argument < 24) {
      bytes[at++] = major | argument
    } else if (argument < 0x100) {
      bytes[at++] = major | 24
      bytes[at++] = argument
    } else if (argument < 0x10000) {
      bytes[at++] = major | 25
      at = bytes.writeUInt16BE(argument, at)
    } else if (argument < 0x100000000) {
      bytes[at++] = major | 26
      at = bytes.writeUInt32BE(argument, at)
    } else {
      bytes[at++] = major | 27
      at = bytes.writeUInt32BE(Math.floor(argument / 0x100000000), at)
      at = bytes.writeUInt32BE(argument % 0x100000000, at)
    }
    this.#length = at
    return this
  }
}
