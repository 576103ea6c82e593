/** What a crash leaves: inodes without a name that were open, and rows beyond the size a commit could claim. */
import { PAGE_BYTES, pageKey } from '../../tree-state/index.js'
import { openContent } from '../content/file-content.js'
import { replaceRows } from '../content/rows.js'
import { bytesOf } from '../content/compose.js'
import { clipped, clippedKey, orphans, orphanKey } from '../inodes/state-rows.js'
import type { Volume } from '../volume.js'

export function recover(volume: Volume): void {
  for (const ino of clipped(volume)) {
    trimBeyondSize(volume, ino)
    volume.tables.state.delete(clippedKey(ino))
  }
  for (const ino of orphans(volume)) {
    const inode = volume.inodes.find(ino)
    if (inode === undefined) volume.tables.state.delete(orphanKey(ino))
    else volume.inodes.removeIfUnused(inode)
  }
}

function trimBeyondSize(volume: Volume, ino: number): void {
  const inode = volume.inodes.find(ino)
  if (inode === undefined || inode.unloaded || inode.inline !== undefined) return
  const size = inode.size
  // Rows may exist although the size says none.
  inode.size = Math.max(1, size)
  const content = openContent(volume, inode)
  inode.size = size
  replaceRows(volume, inode, content, size, Infinity, [])
  for (const [index, page] of content.pages) {
    const keep = size - index * PAGE_BYTES
    if (keep <= 0) volume.tables.pages.delete(pageKey(ino, index))
    else if (keep < page.length) {
      volume.tables.pages.put(pageKey(ino, index), bytesOf(volume, inode, index, page).subarray(0, keep))
    }
  }
  inode.content = undefined
}
