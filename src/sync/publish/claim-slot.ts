/**
 * Moves this device's head to the version it opened or took over. Then the next device takes another slot, the node
 * keeps the version this device has open, and the version it had open before may be unpinned.
 */
import { driveSequence } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { CheckedHeads } from '../heads/check-heads.js'
import { UNUSABLE, type DriveNames } from '../heads/heads.js'
import { moveName, type NamePutter } from './put-name.js'
import type { SyncState } from '../state/sync-state.js'

export interface SlotClaimer {
  readonly state: SyncState
  readonly names: DriveNames
  readonly node: Pick<IpfsNode, 'getName' | 'putName'>
  readonly deviceSlot: number
  readonly notices: NamePutter['notices']
}

/** Does nothing for a version that this device made, or before an upload that moves the head anyway. */
export async function claimSlot(
  { state, names, node, deviceSlot, notices }: SlotClaimer,
  { newer, ignored }: Pick<CheckedHeads, 'newer' | 'ignored'>,
  signal: AbortSignal,
): Promise<void> {
  const { head, plan } = state
  if (head === undefined || head.commit.deviceSlot === deviceSlot || plan !== undefined) return
  const name = names.device(deviceSlot)
  const { height } = head.commit
  const shown = await names.read(name, node, { signal, lenient: true })
  const now = shown === UNUSABLE ? undefined : shown
  if (now !== undefined && (newer !== undefined || now.sequence >= driveSequence(height, deviceSlot))) return
  // Without a claim two devices may have this slot. Their versions of one height have equal sequences of the drive
  // name, so the node accepts one of them.
  await moveName(
    deviceSlot,
    names.makeRecords(head.root, { height, deviceSlot }).device,
    ignored,
    { names, node, notices },
    signal,
  )
}
