/** Replaces the block of a row by another block with the same plaintext. The file's bytes, times and size stay. */
import { equalBytes } from '../../base/index.js'
import type { ReplacedBlock } from '../../tree-state/index.js'
import type { InodeTable } from '../inodes/inode-table.js'
import type { Invalidations } from '../inodes/invalidations.js'
import { openContent } from '../content/load-content.js'
import { replaceRows, type RowParts } from './rows.js'

/** The parts that replacing a block uses. */
export interface ReplaceParts extends RowParts {
  readonly inodes: InodeTable
  readonly invalidations: Pick<Invalidations, 'send'>
}

/** @returns false when the file is gone, or its row has changed since; then nothing is changed */
export function replaceBlock(parts: ReplaceParts, { ino, offset, from, to, key }: ReplacedBlock): boolean {
  const inode = parts.inodes.find(ino)
  if (inode === undefined || !inode.isFile || inode.nlink === 0 || inode.unloaded || inode.gone) return false
  const { rows } = openContent(parts, inode)
  const [row] = rows.within(offset, offset + 1)
  if (row === undefined || row.offset !== offset || !equalBytes(row.digest, from)) return false
  // Nothing may fail after the first row has changed, so missing blocks are detected first.
  if (parts.blocks.store.reference([to]).length > 0) return false
  parts.blocks.hasChanges = true
  const born = parts.state.sequence
  replaceRows(parts, inode, offset, offset + row.length, [{ ...row, digest: to, key, born }])
  parts.inodes.unpublished.addBytes(inode, row.length)
  parts.inodes.markChanged(inode)
  return true
}
