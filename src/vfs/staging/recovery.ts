/** Cleans up after a crash: open inodes without a name, and rows beyond the stored size of a file. */
import { countBlocks, openContent } from '../content/load-content.js'
import { replaceRows, type RowParts } from '../chunks/rows.js'
import { cutPages } from '../content/truncate.js'
import { beingRemoved, clipped, clippedKey, orphans, orphanKey, removingKey } from '../inodes/state-rows.js'
import { namelessRemoved } from '../namespace/nameless.js'
import type { Invalidations } from '../inodes/invalidations.js'
import type { InodeTable } from '../inodes/inode-table.js'
import type { ComposeParts } from '../content/compose.js'

/** The parts that recovery uses. */
export interface RecoveryParts extends RowParts, ComposeParts {
  readonly invalidations: Pick<Invalidations, 'send'>
  readonly state: RowParts['state']
  readonly inodes: InodeTable
}

/** @param keepsOrphans the kernel may still have orphans open, and reports when it forgets them */
export function recover(parts: RecoveryParts, keepsOrphans = false): void {
  for (const ino of clipped(parts.state)) {
    trimBeyondSize(parts, ino)
    parts.state.tables.state.delete(clippedKey(ino))
  }
  // Neither a program nor the kernel has them: their removal continues.
  for (const ino of beingRemoved(parts.state)) {
    const inode = parts.inodes.find(ino)
    if (inode === undefined) parts.state.tables.state.delete(removingKey(ino))
    else parts.inodes.removeUnreferenced(inode)
  }
  // A kill interrupted their removal after the last directory was loaded.
  for (const _ of namelessRemoved(parts)) continue
  if (keepsOrphans) return
  for (const ino of orphans(parts.state)) {
    const inode = parts.inodes.find(ino)
    if (inode === undefined) parts.state.tables.state.delete(orphanKey(ino))
    else parts.inodes.removeIfUnused(inode)
  }
}

function trimBeyondSize(parts: RecoveryParts, ino: number): void {
  const inode = parts.inodes.find(ino)
  if (inode === undefined || inode.unloaded || inode.inline !== undefined) return
  const size = inode.size
  // Rows may exist although the stored size is 0.
  inode.size = Math.max(1, size)
  const content = openContent(parts, inode)
  inode.size = size
  replaceRows(parts, inode, size, Infinity, [])
  cutPages(content, size)
  countBlocks(parts, inode, content)
  parts.inodes.markUnwritten(inode)
  inode.content = undefined
}
