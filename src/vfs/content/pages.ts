/** 4 KiB pages over the chunks: writing into them in memory, staging them, and taking them back. */
import { PAGE_BYTES, pageKey } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import { Wait } from '../maybe.js'
import { composeOrWait } from './compose.js'
import type { FileContent, Page } from './file-content.js'
import type { TreeState } from '../inodes/tree-state.js'
import type { InodeTable } from '../inodes/inode-table.js'
import type { ComposeParts } from './compose.js'

/** What changing pages takes. */
export interface PageParts extends ComposeParts {
  readonly state: TreeState
  readonly inodes: InodeTable
}

/** A page as the table has it from now on. @param epoch newer than all pieces by default */
export function putPage(parts: PageParts, inode: Inode, index: number, bytes: Uint8Array, epoch?: number): void {
  const content = inode.content!
  parts.state.tables.pages.put(pageKey(inode.ino, index), bytes)
  content.heldPages.delete(index)
  content.pages.set(index, { length: bytes.length, data: undefined, epoch: epoch ?? content.epoch, stored: true })
}

/** The page is no longer there, in memory and in the table. */
export function dropPage(parts: PageParts, inode: Inode, content: FileContent, index: number): void {
  if (content.pages.get(index)?.stored === true) parts.state.tables.pages.delete(pageKey(inode.ino, index))
  content.pages.delete(index)
  content.heldPages.delete(index)
}

/**
 * Changes a page's bytes wherever they are: in memory, in the table, or in both. `change` may return a shorter view.
 */
export function changePage(
  parts: PageParts,
  inode: Inode,
  index: number,
  page: Page,
  change: (bytes: Buffer) => Buffer,
): void {
  if (page.stored) {
    const key = pageKey(inode.ino, index)
    parts.state.tables.pages.put(key, change(Buffer.from(parts.state.tables.pages.get(key)!)))
  }
  if (page.data !== undefined) change(page.data.subarray(0, page.length))
}

/** A file with pages or chunk rows has no inline body: it becomes a page below everything that was written since. */
export function foldInline(parts: PageParts, inode: Inode, content: FileContent): void {
  const { inline } = inode
  if (inline === undefined) return
  const page = content.pages.get(0)
  if (inline.length > 0 && page === undefined) putPage(parts, inode, 0, inline, 0)
  else if (page !== undefined && page.length < inline.length) {
    // No rows lie under an inline body, so nothing has to be waited for.
    const bytes = composeOrWait(parts, inode, 0, inline.length) as Buffer
    const wasHeld = content.heldPages.has(0)
    putPage(parts, inode, 0, bytes, page.epoch)
    if (wasHeld) parts.inodes.addUnpublished(inode, bytes.length)
  }
  inode.inline = undefined
}

/** Writes `data` into held pages. The bytes of a page before the written ones are read first: it may have to wait. */
export function writePages(parts: PageParts, inode: Inode, offset: number, data: Uint8Array): number | Wait {
  let done = 0
  while (done < data.length) {
    const at = offset + done
    const index = Math.floor(at / PAGE_BYTES)
    const within = at - index * PAGE_BYTES
    const count = Math.min(PAGE_BYTES - within, data.length - done)
    const page = pageFor(parts, inode, index, within, count)
    if (page instanceof Wait) return done > 0 ? done : page
    page.data!.set(count === data.length ? data : data.subarray(done, done + count), within)
    page.length = Math.max(page.length, within + count)
    done += count
    if (at + count > inode.size) parts.state.setSize(inode, at + count)
  }
  return done
}

/** The held page, with bytes 0 … `within` in place. */
function pageFor(parts: PageParts, inode: Inode, index: number, within: number, count: number): Page | Wait {
  const content = inode.content!
  const start = index * PAGE_BYTES
  let page = content.pages.get(index)
  const isCurrent = page?.data !== undefined && (page.epoch === content.epoch || content.pieces.length === 0)
  if (isCurrent && page!.length >= within) {
    page!.epoch = content.epoch
    return page!
  }
  const isWhole = within === 0 && (count === PAGE_BYTES || count >= (page?.length ?? 0))
  const keep = isWhole ? 0 : Math.max(within, page?.length ?? 0)
  const data = Buffer.allocUnsafe(PAGE_BYTES)
  if (keep > 0) {
    const base = composeOrWait(parts, inode, start, start + keep)
    if (base instanceof Wait) return base
    data.set(base)
  }
  page = { length: keep, data, epoch: content.epoch, stored: page?.stored ?? false }
  content.pages.set(index, page)
  content.heldPages.add(index)
  return page
}
