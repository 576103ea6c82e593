/** Reads the live set of a version another device made: the pin tree's digests, their refcounts, and the link table. */
import type { Digest } from '../../base/index.js'
import { encodeEntry, readDuplicates, readPinTree, readLinks, type FetchBlock } from '../../dag/index.js'
import { be64, clearTables } from '../../storage/kv/index.js'
import { BASE_TABLES, encodeCount } from '../../commits/index.js'
import type { SyncState } from '../state/sync-state.js'

const ROWS_A_COMMIT = 20_000
/** More than any tree has; a count that has grown still fits 32 bits. A wrong count keeps a block for too long. */
const MOST_USES = 2 ** 31

/** Required before the first publish on top of that version. Starts from the beginning after a crash. */
export async function importLive(state: SyncState, fetch: FetchBlock, signal: AbortSignal): Promise<void> {
  const { head, tables, queue } = state
  if (head === undefined || isImported(head.root, state)) return
  const { commit } = head
  await clearTables(
    queue,
    BASE_TABLES.map((name) => tables[name]),
  )
  let liveBlocks = 0
  for await (const { digests } of readPinTree(commit.forest, fetch, { signal })) {
    liveBlocks += digests.length
    for (const digest of digests) tables.live.put(digest, encodeCount(1))
    if (queue.pendingCount > ROWS_A_COMMIT) await queue.commit()
  }
  if (commit.duplicates !== undefined) {
    for await (const { digest, extraUses } of readDuplicates(commit.duplicates, fetch, { signal })) {
      // A block that the version does not have cannot be pinned.
      if (tables.live.get(digest) === undefined) continue
      const uses = encodeCount(Math.min(1 + extraUses, MOST_USES))
      tables.live.put(digest, uses)
      tables.repeated.put(digest, uses)
    }
  }
  if (commit.links !== undefined) {
    const keep = (key: Uint8Array, value: Uint8Array): void => tables.shared.put(key, Buffer.concat([be64(0), value]))
    for await (const entry of readLinks(commit.links, fetch, { signal, onUnreadable: keep })) {
      tables.shared.put(entry.fileId, Buffer.concat([be64(0), encodeEntry(entry)]))
    }
  }
  // Counted, because another device may have published any number. The depth of the next pin tree follows from it.
  if (liveBlocks !== commit.liveBlocks) state.put('head', { ...head, commit: { ...commit, liveBlocks } })
  state.put('live', { root: head.root, isComplete: true })
  await queue.commit()
}

function isImported(root: Digest, { live }: SyncState): boolean {
  return live?.isComplete === true && Buffer.compare(live.root, root) === 0
}
