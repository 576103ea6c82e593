/**
 * How long an upload may wait for the node to take its bytes. Time in which this side had nothing to send does not
 * count.
 */
import { LEAST_UPLOAD_BYTES_PER_SECOND } from './call-limits.js'

/** Grows with what was sent, shrinks with what was waited. */
export class SendPatience {
  #leftMs: number
  readonly #onEnd: () => void

  /** @param graceMs to begin with @param onEnd the node is slower than the least rate; gives the call up */
  constructor(graceMs: number, onEnd: () => void) {
    this.#leftMs = graceMs
    this.#onEnd = onEnd
  }

  /** Waits for `step`, in which the node is to take `bytes`. */
  async during<T>(step: Promise<T>, bytes: number): Promise<T> {
    this.#leftMs += (bytes * 1000) / LEAST_UPLOAD_BYTES_PER_SECOND
    const began = performance.now()
    const timer = setTimeout(this.#onEnd, Math.min(this.#leftMs, LONGEST_TIMER_MS))
    try {
      return await step
    } finally {
      clearTimeout(timer)
      this.#leftMs -= performance.now() - began
    }
  }
}

/** Timers of Node hold 31 bits. */
const LONGEST_TIMER_MS = 2 ** 31 - 1
