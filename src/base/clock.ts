/** The only home of wall-clock and monotonic time, and of timers; everything else receives a `Clock`. */
export interface Clock {
  /** Milliseconds since 1970, UTC; may jump. */
  nowMs(): number
  /** Since 1970, UTC, at the best resolution the host gives; may jump. Without a BigInt: each change takes a time. */
  now(): { readonly sec: number; readonly nsec: number }
  /** Milliseconds that never run backwards; for durations and time-outs. */
  monotonicMs(): number
  /**
   * Calls `action` once, `delayMs` from now (0 to 2^31 - 1). @returns a function that cancels the timer; it may be
   * called at any time
   */
  after(delayMs: number, action: () => void): () => void
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  now() {
    const us = Math.round((performance.timeOrigin + performance.now()) * 1000)
    const sec = Math.floor(us / 1_000_000)
    return { sec, nsec: (us - sec * 1_000_000) * 1000 }
  },
  monotonicMs: () => performance.now(),
  after(delayMs, action) {
    const timer = setTimeout(action, delayMs)
    return () => clearTimeout(timer)
  },
}
