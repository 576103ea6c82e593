/**
 * Puts the head of a device that has opened a drive, before anything of it is kept here. Until then another device that
 * opens the drive takes the same slot, and two devices in one slot cannot build on each other.
 */
import type { OpenedDrive } from '../contract.js'
import { DriveNames } from '../heads/drive-names.js'
import { putName } from '../publish/put-name.js'
import type { FindOptions } from './open-existing.js'

/**
 * A slot whose name is out of reach may be given twice: see claim-slot.ts.
 * @throws when the node does not take the head, or shows another one in the slot
 */
export async function claimOpened(
  { node, keys, signal }: FindOptions,
  { version, deviceSlot, devices }: Pick<OpenedDrive, 'version' | 'deviceSlot' | 'devices'>,
): Promise<void> {
  const names = new DriveNames(keys)
  const { height } = version.commit
  const { device } = names.makeRecords(version.root, { height, deviceSlot })
  // A slot with a head is free only if that head is not credible.
  const isIgnored = devices.some(({ slot }) => slot === deviceSlot)
  const putter = { node, names, isIgnored }
  await putName(names.device(deviceSlot), device, putter, signal ?? new AbortController().signal)
}
