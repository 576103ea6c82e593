/**
 * Moves this device's head to the version it opened or took over. Then the next device takes another slot, the node
 * keeps the version this device has open, and the version it had open before may be unpinned.
 */
import { driveSequence } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { CheckedHeads } from '../heads/check-heads.js'
import type { DriveNames } from '../heads/heads.js'
import type { SyncState } from '../state/sync-state.js'

export interface SlotClaimer {
  readonly state: SyncState
  readonly names: DriveNames
  readonly node: Pick<IpfsNode, 'getName' | 'putName'>
  readonly deviceSlot: number
}

/** Does nothing for a version that this device made, or before an upload that moves the head anyway. */
export async function claimSlot(
  { state, names, node, deviceSlot }: SlotClaimer,
  { newer }: Pick<CheckedHeads, 'newer'>,
  signal: AbortSignal,
): Promise<void> {
  const { head, plan } = state
  if (head === undefined || head.commit.deviceSlot === deviceSlot || plan !== undefined) return
  const name = names.device(deviceSlot)
  const { height } = head.commit
  const now = await names.read(name, node, { signal, lenient: true })
  if (now !== undefined && (newer !== undefined || now.sequence >= driveSequence(height, deviceSlot))) return
  await node.putName(name, names.makeRecords(head.root, { height, deviceSlot }).device, { signal })
}
