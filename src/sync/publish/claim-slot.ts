/**
 * The head of a device that opened a drive, or took a version over, is at that version: the next device takes another
 * slot, the node keeps what this device has open, and what it had open before may go.
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

/** Nothing to do for a version that this device made, and before an upload that names it anyway. */
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
