/** The refcount changes of a commit, summed by digest in the table `delta`. */
import type { Digest } from '../../base/index.js'
import {
  decodeCount,
  decodeDelta,
  encodeDelta,
  MOST_USES,
  type BlockKind,
  type DeltaRow,
  type QueueTables,
} from './queue-tables.js'

export class LiveDelta {
  constructor(private readonly tables: Pick<QueueTables, 'live' | 'delta'>) {}

  /** @param change references added (positive) or removed (negative); 0 only records the block as possible garbage */
  add(digest: Digest, change: number, kind: BlockKind, sizeBytes = 0): void {
    const known = this.tables.delta.get(digest)
    const before: DeltaRow = known === undefined ? { change: 0, kind, sizeBytes } : decodeDelta(known)
    const sum = Math.max(-MOST_USES, Math.min(before.change + change, MOST_USES))
    const row = { change: sum, kind: before.kind, sizeBytes: Math.max(before.sizeBytes, sizeBytes) }
    this.tables.delta.put(digest, encodeDelta(row))
  }

  /** Refcounts before and after the commit. Never below 0, even if a node was removed twice. */
  uses(digest: Digest, row: DeltaRow): { before: number; after: number } {
    const before = decodeCount(this.tables.live.get(digest))
    return { before, after: Math.max(0, Math.min(before + row.change, MOST_USES)) }
  }
}
