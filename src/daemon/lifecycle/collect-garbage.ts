/**
 * Garbage collection on demand. V8 rarely moves objects together on its own: a heap of caches keeps half-empty pages.
 * Moving them takes about twice as long as a plain collection, and the pages leave the process with the collection
 * after it.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { MIB } from '../../base/index.js'
import { trimHeap } from '../../platform/index.js'

/**
 * Free bytes in a heap after a collection: with so many, objects are moved together. The young generation is 16 MiB.
 */
const SCATTERED_BYTES = 48 * MIB

/** @returns collects, and returns free memory to the system; `isIdle`: nothing waits for this thread */
export function garbageCollector(): (isIdle: boolean) => void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  return (isIdle) => {
    collect()
    if (isIdle || freeHeapBytes() > SCATTERED_BYTES) {
      setFlagsFromString('--compact-on-every-full-gc')
      collect()
      setFlagsFromString('--no-compact-on-every-full-gc')
      collect()
    }
    trimHeap()
  }
}

function freeHeapBytes(): number {
  const { heapTotal, heapUsed } = process.memoryUsage()
  return heapTotal - heapUsed
}
