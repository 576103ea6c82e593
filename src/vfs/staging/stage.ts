/**
 * Moves bytes from memory to the store: large tails through the pipeline, small bodies inline, the rest as pages.
 * Staged here means: in the overlay of `meta`, or indexed. The next commit makes it durable.
 */
import { KIB } from '../../base/index.js'
import { INLINE_BYTES } from '../../model/index.js'
import { PAGE_BYTES } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import { Wait } from '../maybe.js'
import { composeOrWait } from '../content/compose.js'
import { unstagedTail, type FileContent } from '../content/file-content.js'
import { foldInline, type PageParts, putPage } from '../content/pages.js'
import type { HeldMemory } from '../staging/held-memory.js'
import type { SealQueue } from '../staging/seal-queue.js'

/** The parts that staging uses. */
export interface StageParts extends PageParts {
  readonly held: HeldMemory
  readonly sealing: SealQueue
}

/** Unstaged tails of at least this size are sealed, smaller ones are written as pages. */
const SEALED_FROM_BYTES = 128 * KIB
/** A smaller extent at the end of a larger file does not get its own block. */
const OWN_BLOCK_BYTES = 64 * KIB

/**
 * When it resolves, all bytes held of the file at the call are staged. Rejects with NO_SPACE, or with OFFLINE for a
 * remote base.
 */
export async function stage(parts: StageParts, inode: Inode): Promise<void> {
  if (inode.content === undefined || !inode.content.hasHeld) return
  inode.pins++
  try {
    if (unstagedTail(inode.content.tail) >= SEALED_FROM_BYTES) parts.sealing.sealTail(inode)
    await parts.sealing.settle(inode, inode.content.pieces)
    for (;;) {
      const { content } = inode
      const wait = content === undefined ? undefined : stageRest(parts, inode, content)
      if (wait === undefined) break
      await wait.until.catch((error: unknown) => sealInstead(parts, inode, error))
    }
  } finally {
    inode.pins--
    parts.held.close(inode)
    parts.inodes.removeIfUnused(inode)
  }
}

/** The block before the tail cannot be read, so the tail gets its own block, which needs no other. */
async function sealInstead(parts: StageParts, inode: Inode, error: unknown): Promise<void> {
  const { content } = inode
  if (content === undefined) return
  if (unstagedTail(content.tail) > 0) parts.sealing.sealTail(inode)
  else if (content.pieces.length === 0) throw error
  await parts.sealing.settle(inode, content.pieces)
}

/** Stages the tail and the held pages at once, or returns a wait. */
function stageRest(parts: StageParts, inode: Inode, content: FileContent): Wait | undefined {
  if (stageInline(parts, inode, content)) return undefined
  for (const index of pagesToStage(content)) {
    const wait = stagePage(parts, inode, content, index)
    if (wait !== undefined) return wait
  }
  const { tail } = content
  if (tail !== undefined) tail.stagedLength = tail.length
  parts.held.account(inode)
  return undefined
}

/**
 * Stages all held bytes of the file as pages at once, for a commit that cannot wait. @returns whether this was possible
 */
export function stageNow(parts: StageParts, inode: Inode): boolean {
  const { content } = inode
  if (content === undefined || !content.hasHeld) return true
  return stagePieces(parts, inode, content) && stageRest(parts, inode, content) === undefined
}

/** Stages the pieces in the pipeline as pages. @returns false when that would need a wait */
function stagePieces(parts: StageParts, inode: Inode, content: FileContent): boolean {
  for (const piece of content.pieces) {
    if (piece.isStaged || piece.limit === 0) continue
    const end = piece.start + piece.limit
    for (let index = Math.floor(piece.start / PAGE_BYTES); index * PAGE_BYTES < end; index++) {
      const start = index * PAGE_BYTES
      const page = content.pages.get(index)
      const length = Math.max(page?.length ?? 0, Math.min(PAGE_BYTES, end - start))
      const bytes = composeOrWait(parts, inode, start, start + length)
      if (bytes instanceof Wait) return false
      const isNewer = page !== undefined && page.epoch > piece.epoch
      putPage(inode, index, bytes, isNewer ? content.epoch : piece.epoch)
    }
    foldInline(parts, inode, content)
    piece.isStaged = true
  }
  parts.held.account(inode)
  return true
}

/** Stages a whole small file as the inline body. @returns false when the file does not qualify */
function stageInline(parts: StageParts, inode: Inode, content: FileContent): boolean {
  const { tail } = content
  if (tail === undefined || tail.start !== 0 || tail.length !== inode.size || tail.length > INLINE_BYTES) return false
  if (!content.rows.isEmpty || content.pieces.length > 0 || content.heldPages.size > 0) return false
  inode.inline = Buffer.from(tail.data.subarray(0, tail.length))
  for (const index of content.pages.between(0, Infinity)) content.pages.drop(index)
  parts.inodes.unpublished.addBytes(inode, unstagedTail(tail))
  tail.stagedLength = tail.length
  parts.inodes.markChanged(inode)
  parts.held.account(inode)
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

function stagePage(parts: StageParts, inode: Inode, content: FileContent, index: number): Wait | undefined {
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
    const base = composeOrWait(parts, inode, start, start + length)
    if (base instanceof Wait) return base
    bytes = base
  }
  if (index !== 0) foldInline(parts, inode, content)
  putPage(inode, index, bytes)
  if (index === 0) foldInline(parts, inode, content)
  parts.inodes.markChanged(inode)
  parts.inodes.unpublished.addBytes(inode, length)
  return undefined
}

/** Ends the stream: stages the tail or submits it to the pipeline, so that a new tail may begin. */
export function closeTail(parts: StageParts, inode: Inode, content: FileContent): Wait | undefined {
  const { tail } = content
  if (tail === undefined) return undefined
  if (unstagedTail(tail) > 0) {
    if (tail.length >= OWN_BLOCK_BYTES || content.pieces.length > 0 || stageRest(parts, inode, content) !== undefined) {
      parts.sealing.sealTail(inode)
      return undefined
    }
  }
  parts.held.dropTail(content)
  parts.held.account(inode)
  return undefined
}

/** After the last close: stages small bodies at once, and larger ones through the pipeline together with others. */
export function stageClosed(parts: StageParts, inode: Inode): void {
  const { content } = inode
  if (content === undefined) return
  const { tail } = content
  if (tail !== undefined) {
    if (unstagedTail(tail) === 0 || stageInline(parts, inode, content)) parts.held.dropTail(content)
    else if (tail.start === 0 || tail.length >= OWN_BLOCK_BYTES) parts.sealing.batchTail(inode)
    else if (stageRest(parts, inode, content) === undefined) parts.held.dropTail(content)
    else parts.sealing.batchTail(inode)
  }
  parts.held.account(inode)
  parts.held.close(inode)
}
