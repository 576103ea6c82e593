/** The messages between the pipeline and its pool threads. */
import type { WireError } from '../base/index.js'
import type { BatchItem } from './seal-chunks.js'
import type { ContentKeys } from './contract.js'

/** `workerData` of a pool thread. */
export interface WorkerSetup {
  readonly segmentDirectory: string
  readonly keys: ContentKeys
  readonly core: 'javascript' | undefined
  /** After this many milliseconds without a task, the thread finishes its segment and frees its buffers. */
  readonly restMs: number
}

/**
 * The state of a task in shared memory: 0 unclaimed, 1 taken by a thread, 2 given up by the pipeline. Both sides change
 * it from 0 by compare-and-swap; the first one wins.
 */
export type Claim = Int32Array

/** @returns false when the other side claimed the task first */
export function claim(state: Claim, as: 'taken' | 'given up'): boolean {
  return Atomics.compareExchange(state, 0, 0, as === 'taken' ? 1 : 2) === 0
}

/**
 * - `all`: cut, seal, write.
 * - `keys`: cut and derive keys and dedup ids only.
 * - `rows`: seal and write the rows that are not marked to be skipped.
 */
export type PoolTask = SealTask & { readonly claim: Claim }

export type SealTask =
  | { readonly kind: 'all' | 'keys'; readonly data: Uint8Array; readonly items: readonly BatchItem[] }
  | { readonly kind: 'rows'; readonly data: Uint8Array; readonly rows: Uint8Array; readonly count: number }

/** Errors cross as values: a thrown error would lose its code. */
export type PoolAnswer =
  | {
      readonly rows: Uint8Array
      readonly count: number
      /** Segment and offset of each sealed row, in row order, skipped rows left out; empty after `keys`. */
      readonly places: Float64Array
    }
  | { readonly error: WireError }
