/**
 * Puts the head of a device that has opened a drive, before anything of it is kept here. Until then another device that
 * opens the drive takes the same slot, and two devices in one slot cannot build on each other.
 */
import { DriveError, equalBytes } from '../../base/index.js'
import type { OpenedDrive } from '../contract.js'
import { DriveNames } from '../heads/heads.js'
import type { FindOptions } from './open-existing.js'

/** @throws when the node does not take the head, or shows another one in the slot */
export async function claimOpened(
  { node, keys, signal }: FindOptions,
  { version, deviceSlot }: Pick<OpenedDrive, 'version' | 'deviceSlot'>,
): Promise<void> {
  const names = new DriveNames(keys)
  const name = names.device(deviceSlot)
  const { height } = version.commit
  const { device } = names.makeRecords(version.root, { height, deviceSlot })
  await node.putName(name, device, signal === undefined ? {} : { signal })
  const now = await names.read(name, node, { signal })
  if (now !== undefined && equalBytes(now.root, version.root)) return
  throw new DriveError('NODE_ERROR', 'The node did not keep the head of this device. Nothing was opened; try again.')
}
