/**
 * 4 KiB pages on top of the chunks: writes into them in memory, stages them, and drops them. Their location is in
 * file-pages.ts.
 */
import { PAGE_BYTES } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import { Wait } from '../maybe.js'
import { composeOrWait } from './compose.js'
import type { FileContent } from './file-content.js'
import type { Page } from './file-pages.js'
import type { TreeState } from '../inodes/tree-state.js'
import type { InodeTable } from '../inodes/inode-table.js'
import type { ComposeParts } from './compose.js'

/** The parts that page changes use. */
export interface PageParts extends ComposeParts {
  readonly state: TreeState
  readonly inodes: InodeTable
}

/** Stages a page with these bytes. @param epoch newer than all pieces by default */
export function putPage(inode: Inode, index: number, bytes: Uint8Array, epoch?: number): void {
  const { pages, pieces, heldPages, epoch: newest } = inode.content!
  const [oldest] = pieces
  const own = epoch ?? newest
  pages.stage(index, bytes, own, oldest !== undefined && own > oldest.epoch)
  heldPages.delete(index)
}

/** Removes the page from memory and from the table. */
export function dropPage(content: FileContent, index: number): void {
  content.pages.drop(index)
  content.heldPages.delete(index)
}

/** A file with pages or chunk rows has no inline body: the inline body becomes a page below all later writes. */
export function foldInline(parts: PageParts, inode: Inode, content: FileContent): void {
  const { inline } = inode
  if (inline === undefined) return
  const page = content.pages.get(0)
  if (inline.length > 0 && page === undefined) putPage(inode, 0, inline, 0)
  else if (page !== undefined && page.length < inline.length) {
    // No rows lie under an inline body, so there is nothing to wait for.
    const bytes = composeOrWait(parts, inode, 0, inline.length) as Buffer
    const wasHeld = content.heldPages.has(0)
    putPage(inode, 0, bytes, page.epoch)
    if (wasHeld) parts.inodes.unpublished.addBytes(inode, bytes.length)
  }
  inode.inline = undefined
}

/**
 * Writes `data` into held pages. For a partial page, the bytes before `data` are read first, so it may have to wait.
 */
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

/** The held page, with its bytes 0 … `within` read from the layers below. */
function pageFor(parts: PageParts, inode: Inode, index: number, within: number, count: number): Page | Wait {
  const content = inode.content!
  const start = index * PAGE_BYTES
  const held = content.pages.held(index)
  const isCurrent = held !== undefined && (held.epoch === content.epoch || content.pieces.length === 0)
  if (isCurrent && held.length >= within) {
    held.epoch = content.epoch
    return held
  }
  const length = count === PAGE_BYTES ? 0 : content.pages.lengthOf(index)
  const keep = within === 0 && count >= length ? 0 : Math.max(within, length)
  const data = Buffer.allocUnsafe(PAGE_BYTES)
  if (keep > 0) {
    const base = composeOrWait(parts, inode, start, start + keep)
    if (base instanceof Wait) return base
    data.set(base)
  }
  const page = { length: keep, data, epoch: content.epoch }
  content.pages.hold(index, page)
  content.heldPages.add(index)
  return page
}
