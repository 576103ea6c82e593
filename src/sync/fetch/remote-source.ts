/**
 * The drive thread's requests for remote data: blocks, and entries of directories and chunk lists that are not loaded.
 */
import { DriveError, isDriveError, nameFromBytes, nameToBytes, type PlainName } from '../../base/index.js'
import {
  decodeEntry,
  encodeEntry,
  findLink,
  readChunkList,
  readDirectoryTable,
  type EntryRecord,
  type FetchBlock,
  type FileChunk,
  type MapRow,
  type TreeRef,
} from '../../dag/index.js'
import { isDirectory } from '../../model/index.js'
import type { RemoteChild, RemoteSource } from '../../tree-state/index.js'
import { inodeOf, isOnlyName, noteUnreadable } from '../../commits/index.js'
import type { NodeReader } from './node-reader.js'
import { RecentNodes } from './recent-nodes.js'
import type { SyncState } from '../state/sync-state.js'

/** A page is one message between threads. The drive thread stores a few pages between two commits. */
const ROWS_A_PAGE = 1000
const BYTES_A_PAGE = 1024 * 1024
const CHUNK_BYTES = 100
const MOST_PENDING_BYTES = 1024 * 1024

/** @param fetch tree nodes, from this machine or the node */
export function createRemoteSource(reader: NodeReader, fetch: FetchBlock, state: SyncState): RemoteSource {
  const resolve = async (entry: EntryRecord, signal: AbortSignal | undefined): Promise<EntryRecord> => {
    if (entry.content.kind !== 'shared') return entry
    const known = state.tables.shared.get(entry.fileId)
    if (known !== undefined) return decodeEntry(known.subarray(8))
    const links = state.head?.commit.links
    const found =
      links === undefined
        ? undefined
        : await findLink(links, entry.fileId, fetch, signal === undefined ? {} : { signal })
    if (found === undefined) throw new DriveError('CORRUPT', 'A hard link of the published version has no target.')
    return found
  }
  const recent = new RecentNodes(fetch)
  return {
    fetchBlocks: (digests, signal) => reader.fetchBlocks(digests, signal),
    async loadDirectory({ ref, after }, signal) {
      const children: RemoteChild[] = []
      const unreadable: MapRow[] = []
      let bytes = 0
      let upTo: PlainName | undefined
      const isFull = (): boolean => children.length + unreadable.length >= ROWS_A_PAGE || bytes >= BYTES_A_PAGE
      const onUnreadable = (...row: MapRow): void => {
        unreadable.push(row)
        bytes += row[0].length + row[1].length
        upTo = nameFromBytes(row[0])
      }
      const from = { ...(signal && { signal }), ...(after !== undefined && { after }) }
      let isLast = true
      const isEnough = (): boolean => {
        isLast = !isFull()
        return !isLast
      }
      for await (const { name, entry } of readDirectoryTable(ref, recent.fetch, { ...from, onUnreadable, isEnough })) {
        if (isEnough()) break
        if (!isNamedOnce(ref, name, entry, state)) {
          onUnreadable(nameToBytes(name), encodeEntry(entry))
          continue
        }
        const whole = await resolve(entry, signal).catch((error: unknown) => {
          if (!isDriveError(error, 'CORRUPT')) throw error
          onUnreadable(nameToBytes(name), encodeEntry(entry))
          return undefined
        })
        if (whole === undefined) continue
        const child = childOf(name, whole, entry.content.kind === 'shared')
        children.push(child)
        bytes += sizeOf(child)
        upTo = name
      }
      // Durable before the drive thread keeps the directory: the next version of it must have these rows.
      for (const row of unreadable) noteUnreadable(ref.digest, row, state.tables)
      if (unreadable.length > 0 || state.queue.pendingBytes > MOST_PENDING_BYTES) await state.queue.commit()
      const hasUnreadable = unreadable.length > 0
      return { children, isLast, ...(hasUnreadable && { hasUnreadable }), ...(upTo !== undefined && { upTo }) }
    },
    async loadChunks({ ref, after }, signal) {
      const chunks: FileChunk[] = []
      const options = { ...(signal && { signal }), ...(after !== undefined && { after }) }
      for await (const chunk of readChunkList(ref, recent.fetch, options)) {
        if (chunks.length >= ROWS_A_PAGE) return { chunks, isLast: false }
        chunks.push(chunk)
      }
      return { chunks, isLast: true }
    },
  }
}

/** Whether the entry is no directory, or the only known name of one. */
function isNamedOnce(parent: TreeRef, name: PlainName, entry: EntryRecord, { tables }: SyncState): boolean {
  if (entry.content.kind !== 'tree' || !isDirectory(entry)) return true
  return isOnlyName(entry.content.ref.digest, { parent: parent.digest, name: nameToBytes(name) }, tables)
}

function childOf(name: PlainName, entry: EntryRecord, isShared: boolean): RemoteChild {
  const { content } = entry
  const chunks = content.kind === 'chunks' ? content.chunks : undefined
  return { name, record: inodeOf(entry), chunks, isShared }
}

/** The variable parts of an entry; the rest takes some hundred bytes. */
function sizeOf({ record, chunks }: RemoteChild): number {
  const xattrs = record.xattrs.reduce((sum, { name, value }) => sum + name.length + value.length, 0)
  return (record.inline?.length ?? 0) + xattrs + (chunks?.length ?? 0) * CHUNK_BYTES
}

/** Reads tree and pin tree nodes: those this device made from local tables, all others from the node. */
export function localFirst(state: SyncState, reader: Pick<NodeReader, 'fetch'>): FetchBlock {
  return (digest, codec, signal) => {
    const stored = state.tables.nodes.get(digest)
    return stored === undefined ? reader.fetch(digest, codec, signal) : Promise.resolve(stored.subarray(1))
  }
}
