/** Little-endian integers in memory shared with the kernel channel; offsets are in bytes and multiples of 4. */
const TWO_32 = 4_294_967_296

/** A view of bytes whose start is a multiple of 8. Reading past the end gives zeros, never throws. */
export class Words {
  readonly bytes: Buffer
  private readonly words: Uint32Array

  constructor(memory: ArrayBufferLike, start: number, length: number) {
    this.bytes = Buffer.from(memory, start, length)
    this.words = new Uint32Array(memory, start, length >>> 2)
  }

  u32(at: number): number {
    return this.words[at >>> 2]! >>> 0
  }

  /** Exact below 2^53, rounded above: the caller checks the range. */
  u64(at: number): number {
    return (this.words[(at >>> 2) + 1]! >>> 0) * TWO_32 + (this.words[at >>> 2]! >>> 0)
  }

  i64(at: number): number {
    return (this.words[(at >>> 2) + 1]! | 0) * TWO_32 + (this.words[at >>> 2]! >>> 0)
  }

  setU32(at: number, value: number): void {
    this.words[at >>> 2] = value
  }

  /** Whole numbers in -2^53 … 2^53. */
  set64(at: number, value: number): void {
    this.words[at >>> 2] = value
    this.words[(at >>> 2) + 1] = Math.floor(value / TWO_32)
  }
}
