/** Zeros and holes within the size of a file, in every layer. The caller must settle all pieces first. */
import { PAGE_BYTES } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import { noteZeroed } from './holes/data-blocks.js'
import type { FileContent } from './file-content.js'
import { dropPage, type PageParts } from './pages.js'
import { replaceRows, type RowParts } from '../chunks/rows.js'
import type { HeldMemory } from '../staging/held-memory.js'

/** The parts that zeroing uses. */
export interface ZeroParts extends RowParts, PageParts {
  readonly state: PageParts['state']
  readonly held: HeldMemory
}

/** Makes the bytes `from … to` read as zeros. */
export function zeroRange(parts: ZeroParts, inode: Inode, content: FileContent, from: number, to: number): void {
  if (from >= to) return
  replaceRows(parts, inode, from, to, [])
  zeroPages(content, from, to)
  const { tail } = content
  if (tail !== undefined) {
    const begin = Math.max(0, from - tail.start)
    const end = Math.min(tail.length, to - tail.start)
    if (begin < end) {
      tail.data.fill(0, begin, end)
      tail.stagedLength = Math.min(tail.stagedLength, begin)
    }
  }
  if (inode.inline !== undefined && from < inode.inline.length)
    inode.inline = Buffer.from(inode.inline).fill(0, from, Math.min(to, inode.inline.length))
  noteZeroed(inode, content, from, to)
  parts.held.account(inode)
}

function zeroPages(content: FileContent, from: number, to: number): void {
  const { pages } = content
  for (const index of pages.between(Math.floor(from / PAGE_BYTES), Math.floor((to - 1) / PAGE_BYTES))) {
    const start = index * PAGE_BYTES
    const length = pages.lengthOf(index)
    const begin = Math.max(from, start) - start
    const end = Math.min(to, start + length) - start
    if (begin >= end) continue
    if (begin === 0 && end === length) dropPage(content, index)
    else
      pages.change(index, (bytes) => {
        // The page's row in the table may be shorter than the page in memory.
        bytes.subarray(begin, end).fill(0)
        return bytes
      })
  }
}
