/**
 * Moves this device's head to the version it opened or took over. Then the next device takes another slot, the node
 * keeps the version this device has open, and the version it had open before may be unpinned.
 */
import { driveSequence } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { CheckedHeads } from '../heads/check-heads.js'
import { UNUSABLE, type DriveNames } from '../heads/drive-names.js'
import type { Version } from '../contract.js'
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
  { state, notices, ...claimer }: SlotClaimer,
  { newer, ignored }: Pick<CheckedHeads, 'newer' | 'ignored'>,
  signal: AbortSignal,
): Promise<void> {
  const { head, plan } = state
  const { deviceSlot } = claimer
  if (head === undefined || head.commit.deviceSlot === deviceSlot || plan !== undefined) return
  const record = await recordIfBehind(head, claimer, { isFirst: newer !== undefined, signal })
  // Without a claim two devices may have this slot. Their versions of one height have equal sequences of the drive
  // name, so the node accepts one of them.
  if (record !== undefined) await moveName(deviceSlot, record, ignored, { ...claimer, notices }, signal)
}

/**
 * The record that moves this device's head to a version; undefined when the node shows the head there or further.
 * @param options `isFirst`: also undefined when the node shows any head of this device
 */
export async function recordIfBehind(
  { root, commit: { height } }: Version,
  { names, node, deviceSlot }: Pick<SlotClaimer, 'names' | 'node' | 'deviceSlot'>,
  { isFirst = false, signal }: { readonly isFirst?: boolean; readonly signal: AbortSignal },
): Promise<Uint8Array | undefined> {
  const shown = await names.read(names.device(deviceSlot), node, { signal, lenient: true })
  const now = shown === UNUSABLE ? undefined : shown
  if (now !== undefined && (isFirst || now.sequence >= driveSequence(height, deviceSlot))) return undefined
  return names.makeRecords(root, { height, deviceSlot }).device
}
