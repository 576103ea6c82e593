/** Content for an operation: from the tables at once, or after its chunk list came from a node. */
import { DriveError, MIB, unlessAborted } from '../../base/index.js'
import { chunkKey, encodeChunk, type RemoteSource } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import { Wait } from '../maybe.js'
import type { Caller } from '../tree.js'
import type { Invalidations } from '../inodes/invalidations.js'
import { readDataBlocks } from './data-blocks.js'
import { ChunkRows, MOST_ROW_BYTES } from './chunk-rows.js'
import { FileContent } from './file-content.js'
import { FilePages } from './file-pages.js'
import type { TreeState } from '../inodes/tree-state.js'
import type { InodeTable } from '../inodes/inode-table.js'

/** What reading a file's chunk list takes. */
export interface LoadParts {
  readonly state: Pick<TreeState, 'tables' | 'pendingBytes'>
  readonly inodes: InodeTable
  readonly remote: Pick<RemoteSource, 'loadChunks'>
  readonly committer: { commit(): Promise<void> }
  readonly invalidations: Pick<Invalidations, 'send'>
}

const loading = new WeakMap<Inode, Promise<void>>()

/** The content, or a wait for the chunk list of a large file from elsewhere (OFFLINE without a node). */
export function contentOrWait(parts: LoadParts, inode: Inode, caller: Caller | undefined): FileContent | Wait {
  if (!inode.unloaded) return openContent(parts, inode)
  let work = loading.get(inode)
  if (work === undefined) {
    work = loadChunks(parts, inode).finally(() => loading.delete(inode))
    work.catch(() => {
      // Every caller that waits gets the failure.
    })
    loading.set(inode, work)
  }
  return new Wait(caller === undefined ? work : unlessAborted(work, caller.signal))
}

/** Rows in memory before a commit; more than any commit of a program's own. */
const MOST_PENDING_BYTES = 8 * MIB

/**
 * Rows of a list that was loaded in part, before a failure or a crash, are written again; `removeContent` knows of
 * them.
 */
async function loadChunks(parts: LoadParts, inode: Inode): Promise<void> {
  const { ref } = inode
  if (ref === undefined) return
  inode.pins++
  try {
    let end = 0
    let after: number | undefined
    for (let isLast = false; !isLast;) {
      const page = await parts.remote.loadChunks({ ref, after })
      if (!inode.unloaded || inode.gone) return
      for (const chunk of page.chunks) {
        if (chunk.offset < end) throw new DriveError('CORRUPT', 'The chunks of a file overlap.')
        if (chunk.length > MOST_ROW_BYTES)
          throw new DriveError('CORRUPT', 'A file claims more of a block than there is.')
        end = chunk.offset + chunk.length
        parts.state.tables.chunks.put(chunkKey(inode.ino, chunk.offset), encodeChunk({ ...chunk, born: 0 }))
      }
      isLast = page.isLast || page.chunks.length === 0
      after = page.chunks.at(-1)?.offset
      if (!isLast && parts.state.pendingBytes > MOST_PENDING_BYTES) await parts.committer.commit()
    }
    inode.unloaded = false
    parts.inodes.markUnwritten(inode)
  } finally {
    inode.pins--
    parts.inodes.removeIfUnused(inode)
  }
}

/** The content, read from the tables at first use. A file whose chunk list is on a node must be loaded before. */
export function openContent(parts: Pick<LoadParts, 'state' | 'invalidations'>, inode: Inode): FileContent {
  if (inode.content !== undefined) return inode.content
  const isEmpty = inode.inline !== undefined || inode.size === 0
  const { chunks, pages } = parts.state.tables
  const content = new FileContent(
    new ChunkRows(chunks, inode.ino, isEmpty),
    new FilePages(pages, inode.ino, isEmpty),
    inode.size,
  )
  countBlocks(parts, inode, content)
  inode.content = content
  return content
}

/**
 * The set of blocks with data, from the rows and pages as they are now; the kernel hears when stat's answer changes.
 */
export function countBlocks(parts: Pick<LoadParts, 'invalidations'>, inode: Inode, content: FileContent): void {
  const { holes } = inode
  readDataBlocks(inode, content)
  if (inode.holes !== holes) parts.invalidations.send({ kind: 'inode', ino: inode.ino, attributesOnly: true })
}
