/**
 * Giving memory back after work (S-066): V8 collects when it needs room, not when a thread comes to rest, and what it frees of the C heap
 * stays with the process.
 */
import { performance, type EventLoopUtilization } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { trimHeap } from '../../platform/index.js'

const LOOK_EVERY_MS = 5_000
/** Share of the time the thread's event loop was busy. */
const RESTING = 0.02

/** Collects garbage, and gives free memory back, once whenever this thread has come to rest after work. @returns stops it */
export function collectWhenIdle(): () => void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
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
  return () => clearInterval(timer)
}
