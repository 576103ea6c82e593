/**
 * Detects a clock that cannot be right. Only the times of files and versions depend on the clock, so sync warns and
 * continues.
 */

/** This code was written later than this date, so an earlier clock is wrong. */
const BEGINNING_MS = Date.UTC(2024, 0, 1)
/** Name records expire in 2200. A clock that is decades ahead was not set on purpose. */
const END_MS = Date.UTC(2100, 0, 1)

/** The latest time a Date can represent. */
const MOST_MS = 8.64e15

/**
 * @param nowMs of the wall clock
 * @returns the warning; undefined for a plausible time
 */
export function implausibleClock(nowMs: number): string | undefined {
  if (nowMs >= BEGINNING_MS && nowMs < END_MS) return undefined
  const day = Math.abs(nowMs) < MOST_MS ? new Date(nowMs).toISOString().slice(0, 10) : 'a time beyond all dates'
  return `The clock of this machine says ${day}, which cannot be right. Files and versions get wrong times until it is set.`
}
