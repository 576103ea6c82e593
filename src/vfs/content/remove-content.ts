/** Removes the content of a deleted inode: deletes rows, records their blocks as removed, and frees memory. */
import { chunkKey, decodeChunk, pageKey, rowsOf, secondOf, type ChunkRecord } from '../../tree-state/index.js'
import { pagesOf, type Table } from '../../storage/kv/index.js'
import type { Inode } from '../inodes/inode.js'
import type { TreeState } from '../inodes/tree-state.js'
import type { HeldMemory } from '../staging/held-memory.js'
import type { SealQueue } from '../staging/seal-queue.js'

/** The parts that removing the content uses. */
export interface RemoveParts {
  readonly state: TreeState
  readonly held: HeldMemory
  readonly sealing: SealQueue
}

export function removeContent(parts: RemoveParts, inode: Inode): void {
  if (!inode.isFile) return
  const { content } = inode
  const { chunks, pages } = parts.state.tables
  if (inode.unloaded) dropPartOfList(parts, inode)
  const rows = content?.rows ?? storedRows(parts, inode)
  for (const row of rows) {
    chunks.delete(chunkKey(inode.ino, row.offset))
    parts.state.addRemoved({ kind: 'block', digest: row.digest, born: row.born })
  }
  for (const index of storedPages(parts, inode, content !== undefined)) pages.delete(pageKey(inode.ino, index))
  forgetContent(parts, inode)
}

/** Frees the memory of a file that is being removed; its rows stay. */
export function forgetContent(parts: RemoveParts, inode: Inode): void {
  const { content } = inode
  if (content === undefined) return
  parts.held.dropTail(content)
  parts.held.forget(inode)
  inode.content = undefined
  parts.sealing.abandon(inode, content.pieces)
}

/** For a partly loaded chunk list: the published list itself is recorded as removed. */
function dropPartOfList({ state }: RemoveParts, inode: Inode): void {
  const { chunks } = state.tables
  for (const rows of pagesOf(chunks, rowsOf(inode.ino))) for (const [key] of rows) chunks.delete(key)
}

function hasNoRows(inode: Inode): boolean {
  return inode.inline !== undefined || inode.size === 0
}

function storedRows(parts: RemoveParts, inode: Inode): ChunkRecord[] {
  if (hasNoRows(inode)) return []
  return [...parts.state.tables.chunks.range(rowsOf(inode.ino))].map(([key, value]) =>
    decodeChunk(secondOf(key), value),
  )
}

/** @param isInUse the file may have pages beyond the size in its row */
function storedPages(parts: RemoveParts, inode: Inode, isInUse: boolean): number[] {
  if (hasNoRows(inode) && !isInUse) return []
  return pageIndexes(parts.state.tables.pages, inode.ino)
}

/** The first `limit` staged pages of a file. */
export function pageIndexes(pages: Pick<Table, 'keys'>, ino: number, limit?: number): number[] {
  const indexes: number[] = []
  for (const key of pages.keys({ ...rowsOf(ino), ...(limit !== undefined && { limit }) })) indexes.push(secondOf(key))
  return indexes
}
