/** What crosses between the pipeline and its pool threads. */
import type { WireError } from '../base/index.js'
import type { BatchItem } from './batch-sealer.js'
import type { ContentKeys } from './contract.js'

/** `workerData` of a pool thread. */
export interface WorkerSetup {
  readonly segmentDirectory: string
  readonly keys: ContentKeys
  readonly core: 'javascript' | undefined
  /** Milliseconds without a task after which the thread finishes its segment and frees its buffers. */
  readonly restMs: number
}

/** A task in shared memory: 0 nobody has it, 1 a thread has it, 2 given up. Who changes it from 0 decides. */
export type Claim = Int32Array

/** @returns false when the other side was first */
export function claim(state: Claim, as: 'taken' | 'given up'): boolean {
  return Atomics.compareExchange(state, 0, 0, as === 'taken' ? 1 : 2) === 0
}

/**
 * - `all`: cut, seal, write.
 * - `keys`: cut and derive keys and dedup ids only.
 * - `rows`: seal and write those rows that are not marked to be skipped.
 */
export type PoolTask = SealTask & { readonly claim: Claim }

export type SealTask =
  | { readonly kind: 'all' | 'keys'; readonly data: Uint8Array; readonly items: readonly BatchItem[] }
  | { readonly kind: 'rows'; readonly data: Uint8Array; readonly rows: Uint8Array; readonly count: number }

/** Errors travel as values: a thrown one would lose its code. */
export type PoolAnswer =
  | {
      readonly rows: Uint8Array
      readonly count: number
      /** Segment and offset of each sealed row, in row order, skipped rows left out; empty after `keys`. */
      readonly places: Float64Array
    }
  | { readonly error: WireError }
