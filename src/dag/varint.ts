import { corrupt } from './corrupt.js'

/** Unsigned LEB128 of a whole number 0 … 2^53 − 1. https://github.com/multiformats/unsigned-varint */
export function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  bytes.push(rest)
  return Uint8Array.from(bytes)
}

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
