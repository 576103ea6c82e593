/** Abandons a commit that was being built or sent and cannot be finished. All its changes are still staged. */
import { clearTables, pagesOf } from '../../storage/kv/index.js'
import {
  decodeDelta,
  decodeOutgoing,
  forgetUnreadable,
  PLAN_TABLES,
  giveBackAdopted,
  MADE,
} from '../../commits/index.js'
import type { SyncState } from '../state/sync-state.js'
import type { DrivePort } from '../../tree-state/index.js'

/** At most this many abandoned versions, which may be pinned although no name points to them, are remembered. */
const MOST_ABANDONED = 64

/** @param port takes back the leaf blocks adopted for the commit */
export async function abandonPlan(state: SyncState, port: Pick<DrivePort, 'giveBack'>): Promise<void> {
  const { tables, queue } = state
  if (state.plan !== undefined) {
    state.put('abandoned', [state.plan.version.root, ...state.abandoned].slice(0, MOST_ABANDONED))
    state.put('plan', undefined)
    await queue.commit()
  }
  await giveBackAdopted(tables, port)
  for (const rows of pagesOf(tables.mapChanges)) {
    for (const [root, change] of rows) {
      if (change[0] !== MADE[0]) continue
      tables.maps.delete(root)
      await forgetUnreadable(root, tables, queue)
    }
    await queue.commit()
  }
  // Nodes of an unfinished build are only in `delta`; the pin tree's nodes are only in `outgoing`.
  for (const rows of pagesOf(tables.delta)) {
    for (const [digest, value] of rows) {
      const { kind, change } = decodeDelta(value)
      if (kind !== 'leaf' && change > 0 && tables.live.get(digest) === undefined) tables.nodes.delete(digest)
    }
    await queue.commit()
  }
  for (const rows of pagesOf(tables.outgoing)) {
    for (const [digest, value] of rows) {
      const { kind, isRepair } = decodeOutgoing(value)
      if (kind !== 'leaf' && isRepair !== true) tables.nodes.delete(digest)
    }
    await queue.commit()
  }
  await clearTables(
    queue,
    PLAN_TABLES.map((name) => tables[name]),
  )
}
