/** A clock that a test advances. */
import type { Clock } from '../../src/base/index.js'

interface Timer {
  readonly atMs: number
  readonly action: () => void
}

export class VirtualClock implements Clock {
  #ms = 0
  readonly #timers = new Set<Timer>()

  nowMs(): number {
    return 1_800_000_000_000 + this.#ms
  }

  now(): { readonly sec: number; readonly nsec: number } {
    const ms = this.nowMs()
    return { sec: Math.floor(ms / 1000), nsec: (ms % 1000) * 1_000_000 }
  }

  monotonicMs(): number {
    return this.#ms
  }

  after(delayMs: number, action: () => void): () => void {
    const timer = { atMs: this.#ms + delayMs, action }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  /** Timers that have not run yet. */
  get waiting(): number {
    return this.#timers.size
  }

  /** Advances by `ms`: every timer runs at its time, and its consequences settle before the next one. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#ms + ms
    await settle()
    for (let timer = this.#next(endMs); timer !== undefined; timer = this.#next(endMs)) {
      this.#timers.delete(timer)
      this.#ms = Math.max(this.#ms, timer.atMs)
      timer.action()
      await settle()
    }
    this.#ms = endMs
  }

  #next(endMs: number): Timer | undefined {
    return [...this.#timers].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0]
  }
}

/** Promises that wait for nothing outside this process settle after a few turns of the event loop. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
}
