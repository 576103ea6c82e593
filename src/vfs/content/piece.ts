/**
 * A stretch of a file on its way through the pipeline; its bytes stay readable in memory until its chunk rows are
 * there.
 */
import type { DriveError } from '../../base/index.js'
import type { SealedItem } from '../../pipeline/index.js'
import type { Slot } from '../staging/slot.js'

export interface Piece {
  readonly start: number
  readonly length: number
  /** Bytes still wanted: less than `length` after a truncation. */
  limit: number
  readonly data: Uint8Array
  /** Undefined once it was given back. */
  slot: Slot | undefined
  /** Pages with a greater epoch are newer. */
  readonly epoch: number
  /** Its bytes are in staged pages meanwhile. */
  isStaged: boolean
  /** Its file was removed: nothing waits for its rows, and what it became is removed when it comes back. */
  isAbandoned: boolean
  state: 'waiting' | 'running' | 'sealed' | 'failed'
  sealed: SealedItem | undefined
  error: DriveError | undefined
  /** Settles when the chunk rows are in place, or sealing failed (it can be tried again, with a new promise). */
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
    // Whoever waits gets the failure; the piece itself keeps it for the retry.
  })
}
