/**
 * Buffers of opened blocks, used again and again: V8 runs a full collection for each 16 MiB of new buffers (decision
 * 175). Views of a block are valid during one turn of the event loop, see `Tree.read`. So a buffer is used again in a
 * later turn than that of its block's last release.
 */
import { KIB, MIB } from '../../base/index.js'

/** Buffers are multiples of it, so that blocks of similar length share them. Smaller ones are not kept. */
const STEP_BYTES = 64 * KIB
/** Free buffers together. */
const FREE_BYTES = 8 * MIB

/** A block whose buffer rests. */
export interface RestingBlock {
  readonly room: Uint8Array
  /** The turn of its last release has ended. @returns whether nobody has held it since: its buffer can be used again */
  endRest(): boolean
}

export class BlockBuffers {
  /** Longest unused first. */
  readonly #free: Uint8Array[] = []
  #freeBytes = 0
  #resting: RestingBlock[] = []

  /** A buffer with at least so many bytes; it may hold bytes of an earlier block. */
  take(bytes: number): Uint8Array {
    if (bytes < STEP_BYTES) return Buffer.allocUnsafeSlow(bytes)
    let best: number | undefined
    this.#free.forEach(({ length }, index) => {
      const isClose = length >= bytes && length <= bytes * 1.5 + STEP_BYTES
      if (isClose && (best === undefined || length < this.#free[best]!.length)) best = index
    })
    if (best === undefined) return Buffer.allocUnsafeSlow(Math.ceil(bytes / STEP_BYTES) * STEP_BYTES)
    const [buffer] = this.#free.splice(best, 1)
    this.#freeBytes -= buffer!.length
    return buffer!
  }

  /** Takes back the buffer of a block that nobody has seen. */
  putBack(buffer: Uint8Array): void {
    if (buffer.length < STEP_BYTES) return
    this.#free.push(buffer)
    this.#freeBytes += buffer.length
    while (this.#freeBytes > FREE_BYTES) this.#freeBytes -= this.#free.shift()!.length
  }

  /** A block that nobody holds; views of it may be in use until this turn ends. */
  rest(block: RestingBlock): void {
    if (this.#resting.push(block) > 1) return
    setImmediate(() => {
      const rested = this.#resting
      this.#resting = []
      for (const one of rested) {
        if (one.endRest()) this.putBack(one.room)
      }
    })
  }

  /** Drops all free buffers. */
  clear(): void {
    this.#free.length = 0
    this.#freeBytes = 0
  }
}
