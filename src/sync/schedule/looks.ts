/**
 * When to look at what the node holds: at once after sync is opened, when the node is back after it was away, and when
 * it lacked something; otherwise every few minutes. What a look found counts until the next doubt.
 */
import type { Clock } from '../../base/index.js'

/** Many reads may fail at once. */
const DOUBT_EVERY_MS = 10_000

export class Looks {
  /** Clock.monotonicMs of the next look. */
  nextMs = -Infinity
  /** The node and the version that it was verified to hold. */
  #held: string | undefined
  #nextDoubtMs = -Infinity
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #wake: () => void

  /** @param wake begins a turn of sync, which looks if that is due */
  constructor(clock: Pick<Clock, 'monotonicMs'>, wake: () => void) {
    this.#clock = clock
    this.#wake = wake
  }

  isHeld(where: string): boolean {
    return this.#held === where
  }

  foundHeld(where: string): void {
    this.#held = where
  }

  /** After a failure, what the node holds is unknown. */
  forget(): void {
    this.#held = undefined
  }

  /** The node may have lost the version: it is asked soon. */
  doubt(): void {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs >= this.#nextDoubtMs) {
      this.#nextDoubtMs = nowMs + DOUBT_EVERY_MS
      this.forget()
      this.nextMs = -Infinity
    }
    this.#wake()
  }
}
