/**
 * Copies the known heads of other devices to a node on which they were not published. If a head were missing there, its
 * slot would be given to another device. If an older head stayed there, that device would seem to be rolled back.
 */
import { equalBytes, isDriveError } from '../../base/index.js'
import { splitDriveSequence } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { KnownHead, Version } from '../contract.js'
import { UNUSABLE, type DriveNames, type NamedHead } from '../heads/drive-names.js'
import type { SyncState } from '../state/sync-state.js'
import { putName } from '../publish/put-name.js'

export interface HeadPutter {
  readonly state: SyncState
  readonly node: Pick<IpfsNode, 'getName' | 'putName'>
  readonly names: DriveNames
  readonly deviceSlot: number
}

/**
 * Copies only heads at or below the version that the drive name points to on this node: nobody opens lower ones, so
 * their blocks need not be there. Other heads stay on the node they were published to.
 * @param named the version the drive name points to there
 * @param shown the device heads on that node
 * @returns the heads of other devices from now on: as the node shows them, and our own as we left it
 */
export async function putKnownHeads(
  named: Version,
  shown: readonly KnownHead[],
  putter: HeadPutter,
  signal: AbortSignal,
): Promise<KnownHead[]> {
  const { state, deviceSlot } = putter
  const heads: KnownHead[] = []
  const unknown = shown.filter(({ slot }) => !state.devices.some((one) => one.slot === slot))
  for (const known of [...state.devices, ...unknown]) {
    const now = known.slot === deviceSlot ? undefined : await shownAfter(known, named, putter, signal)
    heads.push(now === undefined ? known : { slot: known.slot, sequence: now.sequence, root: now.root })
  }
  return heads
}

async function shownAfter(
  { slot, sequence, root }: KnownHead,
  named: Version,
  { node, names }: HeadPutter,
  signal: AbortSignal,
): Promise<NamedHead | undefined> {
  const name = names.device(slot)
  const read = async (): Promise<NamedHead | undefined> => {
    const shown = await names.read(name, node, { signal, lenient: true })
    return shown === UNUSABLE ? undefined : shown
  }
  const now = await read()
  const { height } = splitDriveSequence(sequence)
  const isCovered = height < named.commit.height || equalBytes(root, named.root)
  if ((now !== undefined && now.sequence >= sequence) || !isCovered) return now
  try {
    await putName(name, names.makeRecords(root, { height, deviceSlot: slot }).device, { names, node }, signal)
  } catch (error) {
    // That device has moved to this node meanwhile.
    if (!isDriveError(error, 'DIVERGED')) throw error
  }
  return read()
}
