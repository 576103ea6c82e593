/** Whether anything of the drive waits for its node. Asks the tables on this machine, not the node. */
import { equalBytes } from '../../base/index.js'
import type { EnvironmentReader } from '../../storage/kv/index.js'
import { TreeView, type DrivePort } from '../../tree-state/index.js'
import type { SyncState } from '../state/sync-state.js'

export interface PublishedTables {
  readonly state: Pick<SyncState, 'head' | 'plan' | 'live' | 'isLiveDoubted'>
  readonly port: Pick<DrivePort, 'flush'>
  readonly meta: EnvironmentReader
}

/**
 * True if every change acknowledged before the call is in a version whose names were read back, and that version needs
 * no whole pin tree. Makes everything `staged` first: what is only in memory is in no table.
 */
export async function isAllPublished({ state, port, meta }: PublishedTables): Promise<boolean> {
  await port.flush()
  const { head, plan, live, isLiveDoubted } = state
  if (head === undefined || plan !== undefined || isLiveDoubted) return false
  const isCounted = live?.isComplete === true && equalBytes(live.root, head.root)
  if (!isCounted || live.isToBeReplaced === true) return false
  const view = new TreeView(meta.snapshot())
  try {
    return !view.hasChanges
  } finally {
    view.close()
  }
}
