/** Content that shows where each of its bytes was written. */

/** Byte `at` of the content that all files of a test share: never zero. */
const byteAt = (at: number): number => 1 + ((at * 31 + (at >>> 8)) % 255)

/** The bytes of that content from `from` on. */
export function stretch(from: number, length: number): Buffer {
  const out = Buffer.allocUnsafe(length)
  for (let i = 0; i < length; i++) out[i] = byteAt(from + i)
  return out
}
