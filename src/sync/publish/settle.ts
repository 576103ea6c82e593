/**
 * The last phase of a publish, after the drive thread was told: applies the plan to the published state in sync's own
 * tables.
 */
import type { Digest } from '../../base/index.js'
import { clearTables, pagesOf } from '../../storage/kv/index.js'
import {
  LiveDelta,
  decodeDelta,
  decodeOutgoing,
  encodeCount,
  forgetUnreadable,
  FOREST_REBUILT,
  PLAN_TABLES,
  DROPPED,
} from '../../commits/index.js'
import { rememberHead, type Head, type Plan, type SyncState } from '../state/sync-state.js'

/**
 * Every step is one commit and can be repeated, so it continues after a crash. The last step makes the plan the head.
 */
export async function settlePlan(plan: Plan, state: SyncState): Promise<void> {
  const { queue, tables } = state
  await settlePinTree(state)
  await settleLive(state)
  for (const rows of pagesOf(tables.newShared)) {
    for (const [key, value] of rows) {
      if (value.length === 0) tables.shared.delete(key)
      else tables.shared.put(key, value)
    }
    await queue.commit()
  }
  for (const rows of pagesOf(tables.mapChanges)) {
    for (const [root, change] of rows) {
      if (change[0] !== DROPPED[0]) continue
      tables.maps.delete(root)
      await forgetUnreadable(root, tables, queue)
    }
    await queue.commit()
  }
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

/** Moves refcounts from `delta` to `live`, both in one commit, so that no change is applied twice. */
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

async function settlePinTree({ queue, tables }: SyncState): Promise<void> {
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
