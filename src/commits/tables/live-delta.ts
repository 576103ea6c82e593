/**
 * The change a commit makes to the set of live blocks: uses gained and lost by digest, added up in the table `delta`.
 */
import type { Digest } from '../../base/index.js'
import {
  decodeCount,
  decodeDelta,
  encodeDelta,
  type BlockKind,
  type DeltaRow,
  type QueueTables,
} from './queue-tables.js'

export class LiveDelta {
  constructor(private readonly tables: Pick<QueueTables, 'live' | 'delta'>) {}

  /** @param change uses gained (positive) or lost; 0 only makes the block known as one nothing may refer to any more */
  add(digest: Digest, change: number, kind: BlockKind, sizeBytes = 0): void {
    const known = this.tables.delta.get(digest)
    const before: DeltaRow = known === undefined ? { change: 0, kind, sizeBytes } : decodeDelta(known)
    const row = { change: before.change + change, kind: before.kind, sizeBytes: Math.max(before.sizeBytes, sizeBytes) }
    this.tables.delta.put(digest, encodeDelta(row))
  }

  /** Uses before and after the commit. Never below 0: a node counted out twice is out. */
  uses(digest: Digest, row: DeltaRow): { before: number; after: number } {
    const before = decodeCount(this.tables.live.get(digest))
    return { before, after: Math.max(0, before + row.change) }
  }
}
