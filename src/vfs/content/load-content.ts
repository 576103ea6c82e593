/** Content for an operation: from the tables at once, or after a fetch of its chunk list from a node. */
import { DriveError, MIB, unlessAborted } from '../../base/index.js'
import { chunkKey, encodeChunk, type RemoteSource } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import { Wait } from '../maybe.js'
import type { Caller } from '../tree.js'
import type { Invalidations } from '../inodes/invalidations.js'
import { HoleCount, readDataBlocks } from './holes/data-blocks.js'
import { ChunkRows, MOST_ROW_BYTES } from '../chunks/chunk-rows.js'
import { FileContent } from './file-content.js'
import { FilePages } from './file-pages.js'
import type { TreeState } from '../inodes/tree-state.js'
import type { InodeTable } from '../inodes/inode-table.js'

/** The parts that reading a chunk list uses. */
export interface LoadParts {
  readonly state: Pick<TreeState, 'tables' | 'pendingBytes'>
  readonly inodes: InodeTable
  readonly remote: Pick<RemoteSource, 'loadChunks'>
  readonly committer: { commit(): Promise<void> }
  readonly invalidations: Pick<Invalidations, 'send'>
}

const loading = new WeakMap<Inode, Promise<void>>()

/** The content, or a wait for the remote chunk list of a large file (OFFLINE without a node). */
export function contentOrWait(parts: LoadParts, inode: Inode, caller: Caller | undefined): FileContent | Wait {
  if (!inode.unloaded) return openContent(parts, inode)
  let work = loading.get(inode)
  if (work === undefined) {
    work = loadChunks(parts, inode).finally(() => loading.delete(inode))
    work.catch(() => {
      // Every waiting caller gets the failure.
    })
    loading.set(inode, work)
  }
  return new Wait(caller === undefined ? work : unlessAborted(work, caller.signal))
}

/** Pending rows before a commit; more than any commit that a program's own writes fill. */
const MOST_PENDING_BYTES = 8 * MIB

/**
 * After a failure or a crash, the rows of a partly loaded list are written again. `removeContent` handles a partly
 * loaded list.
 */
async function loadChunks(parts: LoadParts, inode: Inode): Promise<void> {
  const { ref } = inode
  if (ref === undefined) return
  inode.pins++
  try {
    let end = 0
    const count = new HoleCount()
    let after: number | undefined
    for (let isLast = false; !isLast;) {
      const page = await parts.remote.loadChunks({ ref, after })
      if (!inode.unloaded || inode.gone) return
      for (const chunk of page.chunks) {
        if (chunk.offset < end) throw new DriveError('CORRUPT', 'The chunks of a file overlap.')
        if (chunk.length > MOST_ROW_BYTES)
          throw new DriveError('CORRUPT', 'A file refers to bytes beyond the end of a block.')
        end = chunk.offset + chunk.length
        count.add(chunk, inode.size)
        parts.state.tables.chunks.put(chunkKey(inode.ino, chunk.offset), encodeChunk({ ...chunk, born: 0 }))
      }
      isLast = page.isLast || page.chunks.length === 0
      after = page.chunks.at(-1)?.offset
      if (!isLast && parts.state.pendingBytes > MOST_PENDING_BYTES) await parts.committer.commit()
    }
    inode.unloaded = false
    inode.holes = count.holes(inode.size)
    parts.invalidations.send({ kind: 'inode', ino: inode.ino, attributesOnly: true })
    parts.inodes.markUnwritten(inode)
  } finally {
    inode.pins--
    parts.inodes.removeIfUnused(inode)
  }
}

/** The content, read from the tables at first use. If the chunk list of the file is remote, it must be loaded first. */
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
 * Builds the set of blocks with data from the current rows and pages. The kernel is told when the result of stat
 * changes.
 */
export function countBlocks(parts: Pick<LoadParts, 'invalidations'>, inode: Inode, content: FileContent): void {
  const { holes } = inode
  readDataBlocks(inode, content)
  if (inode.holes !== holes) parts.invalidations.send({ kind: 'inode', ino: inode.ino, attributesOnly: true })
}
