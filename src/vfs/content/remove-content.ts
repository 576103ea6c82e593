/** The content of an inode that leaves: rows deleted, their blocks noted as removed, memory given back. */
import { chunkKey, decodeChunk, pageKey, rowsOf, secondOf, type ChunkRecord } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import type { Volume } from '../volume.js'
import { dropTail } from '../staging/tail.js'

export function removeContent(volume: Volume, inode: Inode): void {
  if (!inode.isFile) return
  const { content } = inode
  const { chunks, pages } = volume.tables
  const rows = content?.rows ?? storedRows(volume, inode)
  for (const row of rows) {
    chunks.delete(chunkKey(inode.ino, row.offset))
    volume.addRemoved({ kind: 'block', digest: row.digest, born: row.born })
  }
  for (const index of content?.pages.keys() ?? storedPages(volume, inode)) pages.delete(pageKey(inode.ino, index))
  if (content === undefined) return
  dropTail(volume, content)
  volume.held.forget(inode)
  inode.content = undefined
  volume.sealing.abandon(content.pieces)
}

function hasNoRows(inode: Inode): boolean {
  return inode.inline !== undefined || inode.size === 0 || inode.unloaded
}

function storedRows(volume: Volume, inode: Inode): ChunkRecord[] {
  if (hasNoRows(inode)) return []
  return [...volume.tables.chunks.range(rowsOf(inode.ino))].map(([key, value]) => decodeChunk(secondOf(key), value))
}

function storedPages(volume: Volume, inode: Inode): number[] {
  if (hasNoRows(inode)) return []
  return [...volume.tables.pages.range(rowsOf(inode.ino))].map(([key]) => secondOf(key))
}
