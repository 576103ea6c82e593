/**
 * Garbage collection on demand. A forced collection throws away optimized code: V8 keeps the hidden class of objects
 * that live shorter than a request only if its own, incremental marking finds that class. So under load V8 is asked to
 * collect by itself (decision 160). V8 rarely moves objects together on its own: a heap of caches keeps half-empty
 * pages. Moving them takes about twice as long as a plain collection, and the pages leave the process with the
 * collection after it.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { MIB } from '../../base/index.js'
import { trimHeap } from '../../platform/index.js'

/**
 * Free bytes in a heap after a collection: with so many, objects are moved together. The young generation is 16 MiB.
 */
const SCATTERED_BYTES = 48 * MIB
/** V8 starts a collection when buffers have grown by 64 MiB since the last one. */
const BUFFER_GROWTH_BYTES = 65 * MIB

export interface GarbageCollector {
  /** Starts a collection that goes on beside the work of this thread. */
  begin(): void
  /** After a collection: returns free memory to the system, and moves objects together in a scattered heap. */
  finish(): void
  /** Collects, moves objects together, and returns free memory to the system. Nothing waits for this thread. */
  collectAtRest(): void
}

/**
 * Also keeps bytecode from now on: V8 drops it after five collections without a call, which takes a second under load,
 * and the next call compiles anew (decision 160). It takes 2 MiB.
 */
export function garbageCollector(): GarbageCollector {
  setFlagsFromString('--no-flush-bytecode')
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const compact = (): void => {
    setFlagsFromString('--compact-on-every-full-gc')
    collect()
    setFlagsFromString('--no-compact-on-every-full-gc')
    collect()
  }
  return {
    begin: reportGrowth,
    finish() {
      if (freeHeapBytes() > SCATTERED_BYTES) compact()
      trimHeap()
    },
    collectAtRest() {
      collect()
      compact()
      trimHeap()
    },
  }
}

/** The buffer's pages are never touched, so it takes no memory. */
function reportGrowth(): void {
  try {
    void new ArrayBuffer(BUFFER_GROWTH_BYTES)
  } catch {
    // The system gives no more address space: V8 collects before it gives up.
  }
}

function freeHeapBytes(): number {
  const { heapTotal, heapUsed } = process.memoryUsage()
  return heapTotal - heapUsed
}
