import { DriveError } from '../base/index.js'

/** Slots are 0 to this one. */
export const LAST_SLOT = 255

/**
 * The IPNS sequence of the drive name: `(height << 8) | slot`. Two devices never publish different values with the same
 * sequence.
 */
export function driveSequence(height: number, deviceSlot: number): number {
  const sequence = height * 256 + deviceSlot
  const valid = Number.isInteger(deviceSlot) && deviceSlot >= 0 && deviceSlot <= LAST_SLOT && height >= 0
  if (!valid || !Number.isSafeInteger(sequence))
    throw new DriveError('INVALID', 'The IPNS sequence number is out of range.')
  return sequence
}

/** The inverse of `driveSequence`. */
export function splitDriveSequence(sequence: number): { height: number; deviceSlot: number } {
  return { height: Math.floor(sequence / 256), deviceSlot: sequence % 256 }
}
