/** Sizes of leaf blocks and the padding inside them; docs/format/keys-and-leaves.md. */
import { KIB, MIB } from '../base/index.js'
import { CHUNK } from './contract.js'

export const TAG_BYTES = 16
/** Sealed blocks are whole pages of this many bytes. */
export const SEALED_PAGE_BYTES = 4 * KIB
const LEAST = SEALED_PAGE_BYTES
const MARK = 0x80

/**
 * Bytes of the leaf block of `plainLength` (1 … CHUNK.MAX) plaintext bytes, tag included: a power of two up to 64 KiB,
 * then Padmé's steps, none smaller than 4 KiB. So every block is whole pages, and eviction can punch them out.
 */
export function sealedSize(plainLength: number): number {
  return roundUp(plainLength + 1 + TAG_BYTES)
}

export function isSealedSize(length: number): boolean {
  return length >= LEAST && length <= MIB && roundUp(length) === length
}

/** `plain || 0x80 || zeros`, fresh memory. */
export function padChunk(plain: Uint8Array): Buffer {
  const padded = Buffer.alloc(sealedSize(plain.length) - TAG_BYTES)
  padded.set(plain)
  padded[plain.length] = MARK
  return padded
}

/** The plaintext's length inside `padded`, or undefined when the padding is not exactly that of `padChunk`. */
export function unpaddedLength(padded: Uint8Array): number | undefined {
  let end = padded.length - 1
  while (end > 0 && padded[end] === 0) end--
  if (padded[end] !== MARK || end < 1 || end > CHUNK.MAX) return undefined
  return sealedSize(end) - TAG_BYTES === padded.length ? end : undefined
}

function roundUp(bytes: number): number {
  if (bytes <= LEAST) return LEAST
  if (bytes <= 64 * KIB) return 2 ** Math.ceil(Math.log2(bytes))
  const exponent = 31 - Math.clz32(bytes)
  const padme = 2 ** (exponent - Math.floor(Math.log2(exponent)) - 1)
  const step = Math.max(LEAST, padme)
  return Math.ceil(bytes / step) * step
}
