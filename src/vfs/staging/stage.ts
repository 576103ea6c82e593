/**
 * From memory to the store: large tails through the pipeline, small bodies inline, the rest as pages. Staged here means
 * in the overlay of `meta` (or indexed); the commit that follows makes it durable.
 */
import { KIB } from '../../base/index.js'
import { PAGE_BYTES, pageKey } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import { Wait } from '../maybe.js'
import type { Volume } from '../volume.js'
import { composeOrWait } from '../content/compose.js'
import { closeContent, unstagedTail, type FileContent } from '../content/file-content.js'
import { foldInline, putPage } from '../content/pages.js'
import { dropTail } from './tail.js'

/** Whole bodies up to this size live in the inode's row. */
export const INLINE_BYTES = 2 * KIB
/** Unstaged tails from this size on are sealed rather than written as pages. */
const SEALED_FROM_BYTES = 128 * KIB
/** A stretch added to a larger file is not worth a block of its own below this size. */
const OWN_BLOCK_BYTES = 64 * KIB

/** Everything held of the file now is staged when it resolves. Rejects with NO_SPACE, or OFFLINE for a base that is elsewhere. */
export async function stage(volume: Volume, inode: Inode): Promise<void> {
  if (inode.content === undefined || !inode.content.hasHeld) return
  inode.pins++
  try {
    if (unstagedTail(inode.content.tail) >= SEALED_FROM_BYTES) volume.sealing.sealTail(inode)
    await volume.sealing.settle([...inode.content.pieces])
    for (;;) {
      const { content } = inode
      const wait = content === undefined ? undefined : stageRest(volume, inode, content)
      if (wait === undefined) break
      await wait.until.catch((error: unknown) => sealInstead(volume, inode, error))
    }
  } finally {
    inode.pins--
    closeContent(volume, inode)
    volume.inodes.removeIfUnused(inode)
  }
}

/** The block a tail goes on from is not to be had: the tail gets a block of its own, which needs nothing else. */
async function sealInstead(volume: Volume, inode: Inode, error: unknown): Promise<void> {
  const { content } = inode
  if (content === undefined || unstagedTail(content.tail) === 0) throw error
  volume.sealing.sealTail(inode)
  await volume.sealing.settle([...content.pieces])
}

/** Stages the tail and the held pages at once, or says what it must wait for. */
export function stageRest(volume: Volume, inode: Inode, content: FileContent): Wait | undefined {
  if (stageInline(volume, inode, content)) return undefined
  for (const index of pagesToStage(content)) {
    const wait = stagePage(volume, inode, content, index)
    if (wait !== undefined) return wait
  }
  const { tail } = content
  if (tail !== undefined) tail.stagedLength = tail.length
  volume.held.account(inode)
  return undefined
}

/** Puts pieces that are still under way into pages as well, for a commit that cannot wait for them. */
export function stagePieces(volume: Volume, inode: Inode, content: FileContent): void {
  for (const piece of content.pieces) {
    if (piece.isStaged || piece.limit === 0) continue
    const end = piece.start + piece.limit
    for (let index = Math.floor(piece.start / PAGE_BYTES); index * PAGE_BYTES < end; index++) {
      const start = index * PAGE_BYTES
      const page = content.pages.get(index)
      const length = Math.max(page?.length ?? 0, Math.min(PAGE_BYTES, end - start))
      const bytes = composeOrWait(volume, inode, content, start, start + length)
      if (bytes instanceof Wait) return
      const isNewer = page !== undefined && page.epoch > piece.epoch
      putPage(volume, inode, content, index, bytes, isNewer ? content.epoch : piece.epoch)
    }
    foldInline(volume, inode, content)
    piece.isStaged = true
  }
  volume.held.account(inode)
}

/** The whole of a small file becomes the inline body. @returns false when the file is not of that kind */
function stageInline(volume: Volume, inode: Inode, content: FileContent): boolean {
  const { tail } = content
  if (tail === undefined || tail.start !== 0 || tail.length !== inode.size || tail.length > INLINE_BYTES) return false
  if (content.rows.length > 0 || content.pieces.length > 0 || content.heldPages.size > 0) return false
  inode.inline = Buffer.from(tail.data.subarray(0, tail.length))
  for (const index of content.pages.keys()) volume.tables.pages.delete(pageKey(inode.ino, index))
  content.pages.clear()
  volume.inodes.addUnpublished(inode, unstagedTail(tail))
  tail.stagedLength = tail.length
  volume.inodes.markChanged(inode)
  volume.held.account(inode)
  return true
}

function pagesToStage(content: FileContent): Set<number> {
  const indexes = new Set(content.heldPages)
  const { tail } = content
  if (tail !== undefined && unstagedTail(tail) > 0) {
    const last = Math.floor((tail.start + tail.length - 1) / PAGE_BYTES)
    for (let index = Math.floor((tail.start + tail.stagedLength) / PAGE_BYTES); index <= last; index++)
      indexes.add(index)
  }
  return indexes
}

function stagePage(volume: Volume, inode: Inode, content: FileContent, index: number): Wait | undefined {
  const start = index * PAGE_BYTES
  const { tail, pieces } = content
  const page = content.pages.get(index)
  const tailEnd = tail === undefined || tail.start >= start + PAGE_BYTES ? 0 : tail.start + tail.length - start
  const length = Math.min(PAGE_BYTES, Math.max(page?.length ?? 0, tailEnd))
  let bytes: Uint8Array
  if (page?.data !== undefined && pieces.length === 0 && tailEnd <= 0) bytes = page.data.subarray(0, length)
  else if (tail !== undefined && tail.start <= start && tailEnd >= length) {
    bytes = tail.data.subarray(start - tail.start, start - tail.start + length)
  } else {
    const base = composeOrWait(volume, inode, content, start, start + length)
    if (base instanceof Wait) return base
    bytes = base
  }
  if (index !== 0) foldInline(volume, inode, content)
  putPage(volume, inode, content, index, bytes)
  if (index === 0) foldInline(volume, inode, content)
  volume.inodes.markChanged(inode)
  volume.inodes.addUnpublished(inode, length)
  return undefined
}

/** The stream ends here: the tail is staged, or goes to the pipeline, and a new one may begin. */
export function closeTail(volume: Volume, inode: Inode, content: FileContent): Wait | undefined {
  const { tail } = content
  if (tail === undefined) return undefined
  if (unstagedTail(tail) > 0) {
    if (
      tail.length >= OWN_BLOCK_BYTES ||
      content.pieces.length > 0 ||
      stageRest(volume, inode, content) !== undefined
    ) {
      volume.sealing.sealTail(inode)
      return undefined
    }
  }
  dropTail(volume, content)
  volume.held.account(inode)
  return undefined
}

/** After the last close: small bodies at once, larger ones through the pipeline together with others. */
export function stageClosed(volume: Volume, inode: Inode): void {
  const { content } = inode
  if (content === undefined) return
  const { tail } = content
  if (content.wasEmptied) content.isUrgent = true
  if (tail !== undefined) {
    if (unstagedTail(tail) === 0 || stageInline(volume, inode, content)) dropTail(volume, content)
    else if (tail.start === 0 || tail.length >= OWN_BLOCK_BYTES) volume.sealing.batchTail(inode)
    else if (stageRest(volume, inode, content) === undefined) dropTail(volume, content)
    else volume.sealing.batchTail(inode)
  }
  volume.held.account(inode)
  closeContent(volume, inode)
}
