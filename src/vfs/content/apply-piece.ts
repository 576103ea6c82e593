/** Turns a sealed piece into chunk rows, and removes everything it covers: older rows, older pages, an inline body. */
import type { SealedItem } from '../../pipeline/index.js'
import { PAGE_BYTES, type ChunkRecord } from '../../tree-state/index.js'
import { type IndexedBlock } from '../../storage/blocks/index.js'
import type { Inode } from '../inodes/inode.js'
import type { FileContent } from './file-content.js'
import { dropPage, foldInline, type PageParts } from './pages.js'
import type { Piece } from './piece.js'
import { replaceRows, type RowParts } from '../chunks/rows.js'

/** The parts that turning sealed pieces into rows uses. */
export type ApplyParts = RowParts & PageParts

/** Adds the blocks to the index. @returns for each item, whether all its blocks are in the store */
export function indexSealed(parts: ApplyParts, items: readonly SealedItem[]): boolean[] {
  const added: IndexedBlock[] = []
  for (const { chunks } of items) {
    for (const { digest, dedupId, location } of chunks) {
      if (location !== undefined) added.push({ digest, dedupId, location })
    }
  }
  parts.blocks.index(added)
  return items.map(({ chunks }) => {
    const known = chunks.filter(({ location }) => location === undefined)
    if (!known.every(({ digest }) => parts.blocks.store.has(digest))) return false
    parts.blocks.reference(known)
    return true
  })
}

/**
 * Applies a piece whose blocks are indexed. Bytes beyond `piece.limit`, and all bytes of a deleted file, become removed
 * blocks.
 */
export function applyPiece(parts: ApplyParts, inode: Inode, piece: Piece): void {
  const { start } = piece
  const content = inode.gone || piece.isAbandoned ? undefined : inode.content
  const rows: ChunkRecord[] = []
  let at = 0
  for (const { digest, key, plainLength } of piece.sealed!.chunks) {
    const length = content === undefined ? 0 : Math.min(plainLength, piece.limit - at)
    if (length > 0) rows.push({ offset: start + at, length, skip: 0, digest, key, born: parts.state.sequence })
    else parts.state.addRemoved({ kind: 'block', digest, born: parts.state.sequence })
    at += plainLength
  }
  if (content === undefined || rows.length === 0) return
  const end = start + Math.min(piece.limit, at)
  if (start === 0 && inode.inline !== undefined && end >= inode.inline.length) inode.inline = undefined
  else foldInline(parts, inode, content)
  replaceRows(parts, inode, start, end, rows)
  settlePages(content, piece, end)
  parts.inodes.markChanged(inode)
  parts.inodes.unpublished.addBytes(inode, end - start)
}

/** Drops older pages that the piece covers. A partly covered page gets the piece's bytes. */
function settlePages(content: FileContent, piece: Piece, end: number): void {
  const { pages } = content
  if (pages.isEmpty) return
  const first = Math.floor(piece.start / PAGE_BYTES)
  const last = Math.floor((end - 1) / PAGE_BYTES)
  for (const index of pages.between(first, last)) {
    if (pages.epochOf(index) > piece.epoch) continue
    const pageStart = index * PAGE_BYTES
    const pageEnd = pageStart + pages.lengthOf(index)
    if (piece.start <= pageStart && end >= pageEnd) {
      dropPage(content, index)
      continue
    }
    const from = Math.max(piece.start, pageStart)
    const to = Math.min(end, pageEnd)
    if (from >= to) continue
    const covering = piece.data.subarray(from - piece.start, to - piece.start)
    pages.change(index, (bytes) => {
      bytes.set(covering.subarray(0, Math.max(0, bytes.length - (from - pageStart))), from - pageStart)
      return bytes
    })
  }
}
