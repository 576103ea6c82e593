/** Reads varints from a stream of bytes. */
import { corrupt } from '../../../src/dag/corrupt.js'

/** Collects one varint byte by byte: at most eight bytes, shortest form, at most 2^53 − 1. */
export class VarintReader {
  #value = 0
  #scale = 1
  #count = 0

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** @returns the number once its last byte has arrived, undefined before. After a number, the reader starts again. */
  push(byte: number): number | undefined {
    this.#count++
    this.#value += (byte & 0x7f) * this.#scale
    this.#scale *= 0x80
    if (byte & 0x80) {
      if (this.#count === 8) throw corrupt('a length is too long')
      return undefined
    }
    const value = this.#value
    if ((byte === 0 && this.#count > 1) || !Number.isSafeInteger(value))
      throw corrupt('a length is not in its shortest form')
    this.#value = 0
    this.#scale = 1
    this.#count = 0
    return value
  }
}
