/** Content for an operation: from the tables at once, or after its chunk list came from a node. */
import { unlessAborted } from '../../base/index.js'
import { chunkKey, encodeChunk } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import { Wait } from '../maybe.js'
import type { Caller } from '../tree.js'
import type { Volume } from '../volume.js'
import { openContent, type FileContent } from './file-content.js'

const loading = new WeakMap<Inode, Promise<void>>()

/** The content, or a wait for the chunk list of a large file from elsewhere (OFFLINE without a node). */
export function contentOrWait(volume: Volume, inode: Inode, caller: Caller | undefined): FileContent | Wait {
  if (!inode.unloaded) return openContent(volume, inode)
  let work = loading.get(inode)
  if (work === undefined) {
    work = loadChunks(volume, inode).finally(() => loading.delete(inode))
    work.catch(() => {
      // Every caller that waits gets the failure.
    })
    loading.set(inode, work)
  }
  return new Wait(caller === undefined ? work : unlessAborted(work, caller.signal))
}

async function loadChunks(volume: Volume, inode: Inode): Promise<void> {
  const { ref } = inode
  if (ref === undefined) return
  inode.pins++
  try {
    const chunks = await volume.remote.loadChunks(ref)
    if (!inode.unloaded || inode.gone) return
    for (const chunk of chunks)
      volume.tables.chunks.put(chunkKey(inode.ino, chunk.offset), encodeChunk({ ...chunk, born: 0 }))
    inode.unloaded = false
    volume.inodes.markUnwritten(inode)
  } finally {
    inode.pins--
    volume.inodes.removeIfUnused(inode)
  }
}
