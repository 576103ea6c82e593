/** An extent of a file in the pipeline. Its bytes stay readable in memory until its chunk rows exist. */
import type { DriveError } from '../../base/index.js'
import type { SealedItem } from '../../pipeline/index.js'
import type { Slot } from '../staging/slot.js'

export interface Piece {
  readonly start: number
  readonly length: number
  /** Bytes still needed: less than `length` after a truncation. */
  limit: number
  readonly data: Uint8Array
  /** Undefined after it was released. */
  slot: Slot | undefined
  /** Pages with a greater epoch are newer. */
  readonly epoch: number
  /** Its bytes are also in staged pages. */
  isStaged: boolean
  /** Its file was removed: nothing waits for its rows, and its blocks are removed when they come back. */
  isAbandoned: boolean
  state: 'waiting' | 'running' | 'sealed' | 'failed'
  sealed: SealedItem | undefined
  error: DriveError | undefined
  /** Settles when the chunk rows exist, or when sealing failed. A retry has a new promise. */
  done: Promise<void>
  resolve: () => void
  reject: (error: DriveError) => void
}

export function makePiece(fields: Pick<Piece, 'start' | 'length' | 'data' | 'slot' | 'epoch'>): Piece {
  const piece: Piece = {
    ...fields,
    limit: fields.length,
    isStaged: false,
    isAbandoned: false,
    state: 'waiting',
    sealed: undefined,
    error: undefined,
    done: Promise.resolve(),
    resolve: () => undefined,
    reject: () => undefined,
  }
  renewPromise(piece)
  return piece
}

export function renewPromise(piece: Piece): void {
  piece.done = new Promise((resolve, reject) => {
    piece.resolve = resolve
    piece.reject = reject
  })
  piece.done.catch(() => {
    // Waiting callers get the failure; the piece keeps it for the retry.
  })
}
