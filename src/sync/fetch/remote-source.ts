/** What the drive thread asks of other machines: blocks, and the entries of directories and chunk lists it has not loaded. */
import { DriveError } from '../../base/index.js'
import {
  decodeEntry,
  findLink,
  readChunkList,
  readDirectory,
  type EntryRecord,
  type FetchBlock,
} from '../../dag/index.js'
import { readBe64 } from '../../storage/kv/index.js'
import type { RemoteChild, RemoteSource } from '../../tree-state/index.js'
import { inodeOf } from '../../commits/index.js'
import type { NodeReader } from './node-reader.js'
import type { SyncState } from '../state/sync-state.js'

/** @param fetch tree nodes, from this machine or the node */
export function createRemoteSource(reader: NodeReader, fetch: FetchBlock, state: SyncState): RemoteSource {
  const resolve = async (entry: EntryRecord, signal: AbortSignal | undefined): Promise<EntryRecord> => {
    if (entry.content.kind !== 'shared') return entry
    const known = state.tables.shared.get(entry.fileId)
    if (known !== undefined) return knownHere(decodeEntry(known.subarray(8)), readBe64(known))
    const links = state.head?.commit.links
    const found =
      links === undefined
        ? undefined
        : await findLink(links, entry.fileId, fetch, signal === undefined ? {} : { signal })
    if (found === undefined) throw new DriveError('CORRUPT', 'A hard link of the published version leads nowhere.')
    return found
  }
  return {
    fetchBlocks: (digests, signal) => reader.fetchBlocks(digests, signal),
    async loadDirectory(ref, signal) {
      const children: RemoteChild[] = []
      for await (const { name, entry } of readDirectory(ref, fetch, signal === undefined ? {} : { signal })) {
        const own = await resolve(entry, signal)
        children.push({
          name,
          record: inodeOf(own),
          chunks: own.content.kind === 'chunks' ? own.content.chunks : undefined,
        })
      }
      return children
    },
    async loadChunks(ref, signal) {
      const chunks = []
      for await (const chunk of readChunkList(ref, fetch, signal === undefined ? {} : { signal })) chunks.push(chunk)
      return chunks
    },
  }
}

/** A file that has an inode on this machine is one with several names, whatever is left of them: that one is meant, not a new one. */
function knownHere(entry: EntryRecord, ino: number): EntryRecord {
  return ino === 0 || entry.nlink > 1 ? entry : { ...entry, nlink: 2 }
}

/** Tree and forest nodes: those this device made are kept here, the rest comes from the node. */
export function localFirst(state: SyncState, reader: Pick<NodeReader, 'fetch'>): FetchBlock {
  return (digest, codec, signal) => {
    const stored = state.tables.nodes.get(digest)
    return stored === undefined ? reader.fetch(digest, codec, signal) : Promise.resolve(stored.subarray(1))
  }
}
