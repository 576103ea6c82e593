/**
 * Heads of other devices as this device knows them, put on a node that is not the one they were seen on. Where it shows
 * none, the slot would be given to another device; where it shows an older one, that device seemed to have gone back.
 */
import { isDriveError } from '../../base/index.js'
import { splitDriveSequence } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { KnownHead, Version } from '../contract.js'
import type { DriveNames, NamedHead } from '../heads/heads.js'
import type { SyncState } from '../state/sync-state.js'
import { putName } from './put-name.js'

export interface HeadPutter {
  readonly state: SyncState
  readonly node: Pick<IpfsNode, 'getName' | 'putName'>
  readonly names: DriveNames
  readonly deviceSlot: number
}

/**
 * Only heads below the version that the drive name has on this node: nobody opens them, so what they name need not be
 * there. What was published above it stays where it was published.
 * @param named the version the drive name has there
 * @param shown heads of devices as that node showed them
 * @returns the heads of other devices that count from now on: what the node shows, and our own where it was left
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
  const read = (): Promise<NamedHead | undefined> => names.read(name, node, { signal, lenient: true })
  const now = await read()
  const { height } = splitDriveSequence(sequence)
  if ((now !== undefined && now.sequence >= sequence) || height >= named.commit.height) return now
  try {
    await putName(name, names.makeRecords(root, { height, deviceSlot: slot }).device, names, node, signal)
  } catch (error) {
    // That device has moved here meanwhile.
    if (!isDriveError(error, 'DIVERGED')) throw error
  }
  return read()
}
