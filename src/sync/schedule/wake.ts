/** A sleep that can be cut short, for one sleeper. A call of `now` while nobody sleeps ends the next sleep at once. */
import type { Clock } from '../../base/index.js'

/** The longest delay that a timer supports. */
const MOST_MS = 2 ** 31 - 1

export class Wake {
  #isDue = false
  readonly #clock: Pick<Clock, 'after'>
  #end: (() => void) | undefined

  constructor(clock: Pick<Clock, 'after'>) {
    this.#clock = clock
  }

  /** @param delayMs Infinity means: until `now` is called, or a few weeks at most */
  wait(delayMs: number): Promise<void> {
    if (this.#isDue) {
      this.#isDue = false
      return Promise.resolve()
    }
    // No delay, but other pending events run first.
    if (delayMs <= 0) return new Promise((resolve) => setImmediate(resolve))
    return new Promise((resolve) => {
      const end = (): void => {
        cancel()
        this.#end = undefined
        this.#isDue = false
        resolve()
      }
      const cancel = this.#clock.after(Math.min(delayMs, MOST_MS), end)
      this.#end = end
    })
  }

  now(): void {
    this.#isDue = true
    this.#end?.()
  }
}
