/** The only home of wall-clock and monotonic time; everything else receives a `Clock`. */
export interface Clock {
  /** Milliseconds since 1970, UTC; may jump. */
  nowMs(): number
  /** Nanoseconds since 1970, UTC, at the best resolution the host gives; may jump. */
  nowNs(): bigint
  /** Milliseconds that never run backwards; for durations and time-outs. */
  monotonicMs(): number
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  nowNs: () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n,
  monotonicMs: () => performance.now(),
}
