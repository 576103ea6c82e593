/** Zeros and holes within the size of a file, in every layer. Pieces under way must be settled before. */
import { PAGE_BYTES, pageKey } from '../../store/index.js'
import type { Inode } from '../inode.js'
import type { Volume } from '../volume.js'
import { bytesOf } from './compose.js'
import type { FileContent } from './file-content.js'
import { replaceRows } from './rows.js'

/** The bytes `from … to` read as zeros. */
export function zeroRange(volume: Volume, inode: Inode, content: FileContent, from: number, to: number): void {
  if (from >= to) return
  replaceRows(volume, inode, content, from, to, [])
  zeroPages(volume, inode, content, from, to)
  const { tail } = content
  if (tail !== undefined) {
    const begin = Math.max(0, from - tail.start)
    const end = Math.min(tail.length, to - tail.start)
    if (begin < end) {
      tail.data.fill(0, begin, end)
      tail.stagedLength = Math.min(tail.stagedLength, begin)
    }
  }
  if (inode.inline !== undefined && from < inode.inline.length) inode.inline = Buffer.from(inode.inline).fill(0, from, Math.min(to, inode.inline.length))
  volume.held.account(inode)
}

function zeroPages(volume: Volume, inode: Inode, content: FileContent, from: number, to: number): void {
  for (const [index, page] of content.pages) {
    const start = index * PAGE_BYTES
    const begin = Math.max(from, start) - start
    const end = Math.min(to, start + page.length) - start
    if (begin >= end) continue
    if (begin === 0 && end === page.length) {
      content.pages.delete(index)
      if (!content.heldPages.delete(index)) volume.tables.pages.delete(pageKey(inode.ino, index))
    } else if (page.data !== undefined) page.data.fill(0, begin, end)
    else {
      const bytes = Buffer.from(bytesOf(volume, inode, index, page))
      bytes.fill(0, begin, end)
      volume.tables.pages.put(pageKey(inode.ino, index), bytes)
    }
  }
}
