/** Finds and replaces chunk rows of one file. Every row that is deleted or rewritten leaves a `removed` row. */
import { DriveError, MIB } from '../../base/index.js'
import { chunkKey, encodeChunk, type ChunkRecord } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import type { ChunkRows } from './chunk-rows.js'
import type { TreeState } from '../inodes/tree-state.js'
import type { TreeBlocks } from '../staging/tree-blocks.js'
import type { NamedBlocks } from '../staging/named-blocks.js'

/** The parts that changes of chunk rows use. */
export interface RowParts {
  readonly state: TreeState
  readonly blocks: TreeBlocks
  readonly named: NamedBlocks
}

export function overlapsRows(rows: ChunkRows, from: number, to: number): boolean {
  const row = rows.after(from)
  return row !== undefined && row.offset < to
}

/**
 * The bytes of a row within its block's plaintext. Throws CORRUPT when they reach beyond it, because rows may come from
 * another device.
 */
export function bytesOfRow(plain: Uint8Array, row: ChunkRecord): Uint8Array {
  const end = row.skip + row.length
  if (end > plain.length) throw new DriveError('CORRUPT', 'A file refers to bytes beyond the end of a block.')
  return plain.subarray(row.skip, end)
}

/**
 * From now on the bytes `from … to` come from `added`, and are a hole where it has no row. Rows that cross the boundary
 * of the range are cut.
 * @param added sorted rows within the range, or none
 */
export function replaceRows(
  parts: RowParts,
  inode: Inode,
  from: number,
  to: number,
  added: readonly ChunkRecord[],
): void {
  const { rows } = inode.content!
  const left: ChunkRecord[] = []
  const right: ChunkRecord[] = []
  for (let at = from; at < to;) {
    const next = rows.after(at)
    if (next === undefined || next.offset >= to) break
    const until = Math.min(to, Math.max(at, next.offset) + STEP_BYTES)
    const old = rows.within(at, until)
    const { sequence } = parts.state
    for (const row of old) {
      const end = row.offset + row.length
      if (row.offset < from) left.push({ ...row, length: from - row.offset, born: sequence })
      if (end > to)
        right.push({ ...row, offset: to, length: end - to, skip: row.skip + to - row.offset, born: sequence })
    }
    // Steps that may fail come first, so that a row is subtracted only once.
    if (left.length + right.length > 0) parts.blocks.reference([...left, ...right])
    for (const { offset, digest, born } of old) {
      parts.state.tables.chunks.delete(chunkKey(inode.ino, offset))
      parts.state.addRemoved({ kind: 'block', digest, born })
    }
    rows.remove(old)
    at = until
  }
  const inserted = left.length + right.length === 0 ? added : [...left, ...added, ...right]
  for (const row of inserted) {
    parts.state.tables.chunks.put(chunkKey(inode.ino, row.offset), encodeChunk(row))
    parts.named.note(row.digest)
  }
  rows.insert(inserted)
}

/** Rows are replaced in steps of at most this much of a file. */
const STEP_BYTES = 256 * MIB
