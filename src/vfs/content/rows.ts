/** Chunk rows of one file: finding and replacing runs. Every row that goes or is rewritten leaves a `removed` row. */
import { DriveError } from '../../base/index.js'
import { chunkKey, encodeChunk, type ChunkRecord } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import type { FileContent } from './file-content.js'
import type { TreeState } from '../inodes/tree-state.js'
import type { TreeBlocks } from '../staging/tree-blocks.js'
import type { NamedBlocks } from '../staging/named-blocks.js'

/** What changing chunk rows takes. */
export interface RowParts {
  readonly state: TreeState
  readonly blocks: TreeBlocks
  readonly named: NamedBlocks
}

/** Index of the first row that ends after `offset`. */
export function firstRowAfter(rows: readonly ChunkRecord[], offset: number): number {
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const row = rows[middle]!
    if (row.offset + row.length <= offset) low = middle + 1
    else high = middle
  }
  return low
}

export function overlapsRows(rows: readonly ChunkRecord[], from: number, to: number): boolean {
  const row = rows[firstRowAfter(rows, from)]
  return row !== undefined && row.offset < to
}

/** The bytes of a row out of its block's plaintext. CORRUPT when they reach beyond it: another device may have said so. */
export function bytesOfRow(plain: Uint8Array, row: ChunkRecord): Uint8Array {
  const end = row.skip + row.length
  if (end > plain.length) throw new DriveError('CORRUPT', 'A file claims more of a block than there is.')
  return plain.subarray(row.skip, end)
}

/**
 * The bytes `from … to` come from `added` from now on, and are a hole where it has no row. Rows that reach over an end
 * are cut. @param added sorted rows within the range, or none
 */
export function replaceRows(
  parts: RowParts,
  inode: Inode,
  content: FileContent,
  from: number,
  to: number,
  added: readonly ChunkRecord[],
): void {
  const { rows } = content
  const first = firstRowAfter(rows, from)
  let after = first
  const inserted: ChunkRecord[] = []
  const rightParts: ChunkRecord[] = []
  while (after < rows.length && rows[after]!.offset < to) {
    const old = rows[after++]!
    const end = old.offset + old.length
    if (old.offset < from) inserted.push({ ...old, length: from - old.offset, born: parts.state.sequence })
    if (end > to) {
      const skipped = to - old.offset
      rightParts.push({ ...old, offset: to, length: end - to, skip: old.skip + skipped, born: parts.state.sequence })
    }
  }
  // What may fail comes first: a row is counted out once.
  const kept = inserted.length + rightParts.length
  if (kept > 0) parts.blocks.reference([...inserted, ...rightParts])
  for (const old of rows.slice(first, after)) {
    parts.state.tables.chunks.delete(chunkKey(inode.ino, old.offset))
    parts.state.addRemoved({ kind: 'block', digest: old.digest, born: old.born })
  }
  inserted.push(...added, ...rightParts)
  if (first === rows.length) rows.push(...inserted)
  else if (inserted.length > 0 || after > first) rows.splice(first, after - first, ...inserted)
  for (const row of inserted) {
    parts.state.tables.chunks.put(chunkKey(inode.ino, row.offset), encodeChunk(row))
    parts.named.note(row.digest)
  }
}
