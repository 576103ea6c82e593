/**
 * Giving memory back after work (S-066): V8 collects when it needs room, not when a thread comes to rest, and what it
 * frees of the C heap stays with the process.
 */
import { performance, type EventLoopUtilization } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { MIB } from '../../base/index.js'
import { trimHeap } from '../../platform/index.js'

const LOOK_EVERY_MS = 5_000
/**
 * How often memory is looked at during work, and how much the process may have resident before garbage is collected at
 * once.
 */
const PRESSURE_EVERY_MS = 1_000
const PRESSURE_BYTES = 240 * MIB
/** What is in use is not collected: the next time waits for so much more. */
const PRESSURE_STEP_BYTES = 32 * MIB
/** Share of the time the thread's event loop was busy. */
const RESTING = 0.02

/**
 * Collects garbage, and gives free memory back, once whenever this thread has come to rest after work.
 * @returns stops it
 */
export function collectWhenIdle(): () => void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const stopRelieving = relieveUnderPressure(collect)
  let since: EventLoopUtilization = performance.eventLoopUtilization()
  let hasWorked = true
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, since)
    since = now
    if (utilization > RESTING) hasWorked = true
    else if (hasWorked) {
      hasWorked = false
      collect()
      trimHeap()
      // The collection itself is no work to rest from.
      since = performance.eventLoopUtilization()
    }
  }, LOOK_EVERY_MS)
  timer.unref()
  return () => {
    stopRelieving()
    clearInterval(timer)
  }
}

/** Buffers that are not used any more count little for V8, which lets hundreds of MiB of them pile up under load. */
function relieveUnderPressure(collect: () => void): () => void {
  let mostBytes = PRESSURE_BYTES
  const timer = setInterval(() => {
    if (process.memoryUsage.rss() < mostBytes) return
    collect()
    trimHeap()
    mostBytes = Math.max(PRESSURE_BYTES, process.memoryUsage.rss() + PRESSURE_STEP_BYTES)
  }, PRESSURE_EVERY_MS)
  timer.unref()
  return () => clearInterval(timer)
}
