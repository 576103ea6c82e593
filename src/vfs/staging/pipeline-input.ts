/** One unit of work for the pipeline: one piece in place, or several small ones copied one after another. */
import { KIB } from '../../base/index.js'
import type { SealItem } from '../../pipeline/index.js'
import type { Piece } from '../content/piece.js'
import type { Inode } from '../inodes/inode.js'
import type { HeldMemory } from './held-memory.js'

/** A job below this size does not use a shared buffer. */
const SHARED_FROM_BYTES = 64 * KIB

/** A piece and its inode. */
export interface SealWork {
  readonly inode: Inode
  readonly piece: Piece
}

export interface PieceJob {
  readonly data: Uint8Array
  readonly items: SealItem[]
  /** Call it when the pipeline has answered. */
  readonly release: () => void
}

export function pieceJobOf(work: readonly SealWork[], held: HeldMemory): PieceJob {
  let total = 0
  const items = work.map(({ inode, piece }): SealItem => {
    const item: SealItem = {
      offset: total,
      length: piece.length,
      mode: inode.fixedChunks ? 'fixed' : 'content-defined',
      final: true,
    }
    total += piece.length
    return item
  })
  if (work.length === 1) return { data: work[0]!.piece.data, items, release: () => undefined }
  const slot = total >= SHARED_FROM_BYTES ? held.takeSlot() : undefined
  const data =
    slot !== undefined && slot.bytes.length >= total ? slot.bytes.subarray(0, total) : Buffer.allocUnsafe(total)
  work.forEach(({ piece }, i) => data.set(piece.data, items[i]!.offset))
  const release = (): void => {
    if (slot !== undefined) held.releaseSlot(slot)
  }
  return { data, items, release }
}
