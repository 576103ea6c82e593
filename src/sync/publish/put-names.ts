/** Puts the signed records of a version on a node: device head first, then the drive name; each is read back and compared. */
import { DriveError, equalBytes } from '../../base/index.js'
import type { CidText, IpfsNode } from '../../node/index.js'
import type { DriveNames } from '../heads/heads.js'
import type { HeadRecords } from '../state/sync-state.js'

type NameNode = Pick<IpfsNode, 'putName' | 'getName'>

/** @throws DIVERGED when the node holds another record of an equal or greater sequence */
export async function putNames(
  records: HeadRecords,
  deviceSlot: number,
  names: DriveNames,
  node: NameNode,
  signal: AbortSignal,
): Promise<void> {
  await putChecked(names.device(deviceSlot), records.device, node, signal)
  await putChecked(names.drive, records.drive, node, signal)
}

async function putChecked(name: CidText, record: Uint8Array, node: NameNode, signal: AbortSignal): Promise<void> {
  await node.putName(name, record, { signal })
  const stored = await node.getName(name, { signal })
  if (!equalBytes(stored, record)) {
    throw new DriveError('NODE_ERROR', 'The node does not give back the name record it was given.')
  }
}
