/**
 * Memory of sealed values, from their sealing to the end of their transaction. The next commit uses it again: an
 * allocation for each of hundreds of values takes longer than sealing them, and makes the thread collect garbage.
 */
import { KIB } from '../../base/index.js'

const SLAB_BYTES = 256 * KIB

export class SealMemory {
  readonly #slabs: Buffer[] = []
  /** The slab that is being filled, and its used bytes. */
  #current = -1
  #used = SLAB_BYTES

  /** Unused memory, valid until `reuse`. */
  take(bytes: number): Buffer {
    if (bytes > SLAB_BYTES) return Buffer.allocUnsafeSlow(bytes)
    if (this.#used + bytes > SLAB_BYTES) {
      this.#current++
      this.#used = 0
    }
    const slab = (this.#slabs[this.#current] ??= Buffer.allocUnsafeSlow(SLAB_BYTES))
    const start = this.#used
    this.#used += bytes
    return slab.subarray(start, start + bytes)
  }

  /** All memory is free again. Slabs that were not needed since the last call are released. */
  reuse(): void {
    this.#slabs.length = Math.min(this.#slabs.length, this.#current + 1)
    this.#current = -1
    this.#used = SLAB_BYTES
  }
}
