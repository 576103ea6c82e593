/**
 * Limits the time that an upload waits for the node to accept its bytes. Time in which this side has nothing to send
 * does not count.
 */
import { systemClock, type Clock } from '../../base/index.js'
import { LEAST_UPLOAD_BYTES_PER_SECOND } from './call-limits.js'

/** Grows with the bytes sent and shrinks with the time waited. */
export class SendPatience {
  #leftMs: number
  readonly #onEnd: () => void
  readonly #clock: Clock

  /**
   * @param graceMs the initial budget @param onEnd called when the node is slower than the minimum rate; aborts the
   * call
   */
  constructor(graceMs: number, onEnd: () => void, clock: Clock = systemClock) {
    this.#leftMs = graceMs
    this.#onEnd = onEnd
    this.#clock = clock
  }

  /** Waits for `step`, in which the node accepts `bytes`. */
  async during<T>(step: Promise<T>, bytes: number): Promise<T> {
    this.#leftMs += (bytes * 1000) / LEAST_UPLOAD_BYTES_PER_SECOND
    const began = this.#clock.monotonicMs()
    const cancel = this.#clock.after(Math.min(Math.max(this.#leftMs, 0), LONGEST_TIMER_MS), this.#onEnd)
    try {
      return await step
    } finally {
      cancel()
      this.#leftMs -= this.#clock.monotonicMs() - began
    }
  }
}

/** Node.js timers hold 31 bits. */
const LONGEST_TIMER_MS = 2 ** 31 - 1
