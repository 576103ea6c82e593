/**
 * A clock that cannot be right. Nothing published depends on it but the times of versions, so it is said and nothing
 * stops.
 */

/** Before this was written: no clock shows an earlier time and is right. */
const BEGINNING_MS = Date.UTC(2024, 0, 1)
/** Name records end in 2200; a clock that is decades ahead was set by nobody. */
const END_MS = Date.UTC(2100, 0, 1)

/** Later than what a date can say. */
const MOST_MS = 8.64e15

/** @returns what to tell, undefined for a plausible time @param nowMs of the wall clock */
export function implausibleClock(nowMs: number): string | undefined {
  if (nowMs >= BEGINNING_MS && nowMs < END_MS) return undefined
  const day = Math.abs(nowMs) < MOST_MS ? new Date(nowMs).toISOString().slice(0, 10) : 'a time beyond all dates'
  return `The clock of this machine says ${day}, which cannot be right. Files and versions get wrong times until it is set.`
}
