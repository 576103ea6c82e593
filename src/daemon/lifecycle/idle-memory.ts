/**
 * Returns memory after work (S-066). V8 collects garbage when it needs room, not when a thread becomes idle, and memory
 * it frees from the C heap stays with the process.
 */
import { performance, type EventLoopUtilization } from 'node:perf_hooks'
import { garbageCollector, type GarbageCollector } from './collect-garbage.js'
import { Pressure } from './memory-pressure.js'

const CHECK_EVERY_MS = 5_000
/** Interval of memory checks during work. */
const PRESSURE_EVERY_MS = 500
/** Maximum share of time that the event loop of an idle thread is busy. */
const IDLE_BELOW = 0.02

/**
 * Collects garbage and returns free memory, once each time this thread becomes idle after work.
 * @returns a function that stops it
 */
export function collectWhenIdle(): () => void {
  const collector = garbageCollector()
  const stopRelieving = relieveUnderPressure(collector)
  let since: EventLoopUtilization = performance.eventLoopUtilization()
  let hasWorked = true
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, since)
    since = now
    if (utilization > IDLE_BELOW) hasWorked = true
    else if (hasWorked) {
      hasWorked = false
      collector.collectAtRest()
      // The collection itself does not count as work.
      since = performance.eventLoopUtilization()
    }
  }, CHECK_EVERY_MS)
  timer.unref()
  return () => {
    stopRelieving()
    clearInterval(timer)
  }
}

/** V8 underestimates the memory of unused buffers and lets hundreds of MiB of them accumulate under load. */
function relieveUnderPressure(collector: GarbageCollector): () => void {
  const pressure = new Pressure()
  let hasBegun = false
  const timer = setInterval(() => {
    if (hasBegun) collector.finish()
    hasBegun = pressure.isTooMuch(process.memoryUsage.rss(), ownBytes)
    if (!hasBegun) return
    collector.begin()
    pressure.collected(ownBytes())
  }, PRESSURE_EVERY_MS)
  timer.unref()
  return () => clearInterval(timer)
}

/** Memory of this thread's heap and buffers. */
function ownBytes(): number {
  const { heapTotal, external } = process.memoryUsage()
  return heapTotal + external
}
