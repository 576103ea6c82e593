/** After a version is published: the drive thread is told, and its change becomes the published state of sync's own tables. */
import type { Digest } from '../../base/index.js'
import {
  decodeChunk,
  secondOf,
  type ChunkRecord,
  type DrivePort,
  type PublishedCommit,
} from '../../tree-state/index.js'
import { readBe64, clearTables, pagesOf } from '../../storage/kv/index.js'
import {
  LiveDelta,
  decodeDelta,
  decodeOutgoing,
  digestOf,
  encodeCount,
  FOREST_REBUILT,
  PLAN_TABLES,
  DROPPED,
} from '../../commits/index.js'
import { rememberHead, type Head, type Plan, type SyncState } from '../state/sync-state.js'

const DIGESTS_A_MESSAGE = 10_000

/** May be repeated: the drive thread applies a sequence once. What it may forget goes with the first message, which is applied whole. */
export async function tellDriveThread(plan: Plan, state: SyncState, port: Pick<DrivePort, 'published'>): Promise<void> {
  const { sequence, removedBefore } = plan
  const discarded = [...leavesOf(state, (uses) => uses === 0)].flat()
  const [refs, merged] = [refsOf(state), mergedOf(state)]
  let next: PublishedCommit = { sequence, removedBefore, refs, merged, discarded, confirmed: [] }
  for (const confirmed of leavesOf(state, (uses) => uses > 0)) {
    await port.published({ ...next, confirmed })
    next = { sequence, removedBefore, refs: [], merged: [], discarded: [], confirmed: [] }
  }
  if (next.refs === refs) await port.published(next)
}

function refsOf({ tables }: SyncState): PublishedCommit['refs'] {
  return Array.from(tables.refs.range(), ([key, value]) => ({
    ino: readBe64(key),
    ref: value.length === 0 ? undefined : { digest: value.slice(0, 32), key: value.slice(32, 64) },
  }))
}

function mergedOf({ tables }: SyncState): PublishedCommit['merged'] {
  const files = new Map<number, ChunkRecord[]>()
  for (const [key, value] of tables.merged.range()) {
    const ino = readBe64(key)
    const rows = files.get(ino)
    const row = decodeChunk(secondOf(key), value)
    if (rows === undefined) files.set(ino, [row])
    else rows.push(row)
  }
  return Array.from(files, ([ino, rows]) => ({ ino, rows }))
}

/** Leaf blocks of the change whose uses after it are such, some thousands at a time. */
function* leavesOf({ tables }: SyncState, isWanted: (uses: number) => boolean): Generator<Digest[]> {
  const delta = new LiveDelta(tables)
  let digests: Digest[] = []
  for (const rows of pagesOf(tables.delta)) {
    for (const [digest, value] of rows) {
      const row = decodeDelta(value)
      if (row.kind === 'leaf' && isWanted(delta.uses(digest, row).after)) digests.push(digestOf(digest))
    }
    if (digests.length < DIGESTS_A_MESSAGE) continue
    yield digests
    digests = []
  }
  if (digests.length > 0) yield digests
}

/** Every step is one commit that can be repeated, so a crash goes on where it was. The last one makes the plan the head. */
export async function settle(plan: Plan, state: SyncState): Promise<void> {
  const { queue, tables } = state
  await settleForest(state)
  await settleLive(state)
  for (const rows of pagesOf(tables.newShared)) {
    for (const [key, value] of rows) {
      if (value.length === 0) tables.shared.delete(key)
      else tables.shared.put(key, value)
    }
  }
  for (const rows of pagesOf(tables.mapChanges)) {
    for (const [root, change] of rows) if (change[0] === DROPPED[0]) tables.maps.delete(root)
  }
  await queue.commit()
  await clearTables(
    queue,
    PLAN_TABLES.map((name) => tables[name]),
  )
  const before = state.head
  if (before !== undefined) {
    for (const digest of [before.root, before.commitDigest]) tables.nodes.delete(digest)
    rememberHead(before.root, state)
  }
  state.put('head', headOf(plan))
  state.put('live', { root: plan.version.root, isComplete: true })
  state.put('plan', undefined)
  await queue.commit()
}

function headOf({ version, nameSequence, sequence, forestBits }: Plan): Head {
  return { ...version, nameSequence, namedRoot: version.root, sequence, forestBits }
}

/** Uses of each block move from `delta` to `live`, both in the same commit, so that no change is applied twice. */
async function settleLive({ queue, tables }: SyncState): Promise<void> {
  const delta = new LiveDelta(tables)
  for (const rows of pagesOf(tables.delta)) {
    for (const [digest, value] of rows) {
      const row = decodeDelta(value)
      const { after } = delta.uses(digest, row)
      if (after > 0) tables.live.put(digest, encodeCount(after))
      else tables.live.delete(digest)
      if (after > 1) tables.repeated.put(digest, encodeCount(after))
      else tables.repeated.delete(digest)
      if (after === 0 && row.kind !== 'leaf') tables.nodes.delete(digest)
      tables.delta.delete(digest)
    }
    await queue.commit()
  }
}

async function settleForest({ queue, tables }: SyncState): Promise<void> {
  const isNew = (digest: Digest): boolean => {
    const row = tables.outgoing.get(digest)
    if (row === undefined) return false
    const { kind, isRepair } = decodeOutgoing(row)
    return kind === 'dag-pb' && isRepair !== true
  }
  if (tables.newForest.get(FOREST_REBUILT) !== undefined) {
    for (const rows of pagesOf(tables.forest)) {
      for (const [key, digest] of rows) {
        if (!isNew(digest)) tables.nodes.delete(digest)
        tables.forest.delete(key)
      }
      await queue.commit()
    }
  }
  for (const rows of pagesOf(tables.newForest)) {
    for (const [key, digest] of rows) {
      if (Buffer.compare(key, FOREST_REBUILT) === 0) continue
      const before = tables.forest.get(key)
      if (before !== undefined && !isNew(before)) tables.nodes.delete(before)
      if (digest.length === 0) tables.forest.delete(key)
      else tables.forest.put(key, digest)
    }
    await queue.commit()
  }
}
