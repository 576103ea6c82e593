import { DriveError, type Random } from '../base/index.js'
import type { DriveKeys, RootKey } from './contract.js'
import { hkdf } from './hkdf.js'

/** A new drive's secret: 32 random bytes. */
export function createRootKey(random: Random): RootKey {
  return random.bytes(32)
}

/**
 * All keys of a drive from its root key: HKDF-SHA-256 with the info `dagdrive v1 <name>`.
 * Throws INVALID unless the root key has 32 bytes.
 */
export function deriveDriveKeys(root: RootKey): DriveKeys {
  if (root.length !== 32) throw new DriveError('INVALID', 'A root key must have 32 bytes.')
  const child = (name: string): Uint8Array => hkdf(root, `dagdrive v1 ${name}`)
  const deviceKey = child('devices')
  const deviceSeeds = new Map<number, Uint8Array>()
  return {
    superKey: child('super'),
    dedupKey: child('dedup'),
    gearKey: child('gear'),
    nameKey: child('name'),
    localKey: child('local'),
    driveNameSeed: child('drive name'),
    deviceSeed(deviceSlot) {
      if (!Number.isInteger(deviceSlot) || deviceSlot < 0 || deviceSlot > 255) {
        throw new DriveError('OUT_OF_RANGE', 'A device slot must be 0 to 255.', { about: { deviceSlot } })
      }
      let seed = deviceSeeds.get(deviceSlot)
      if (seed === undefined) deviceSeeds.set(deviceSlot, (seed = hkdf(deviceKey, `dagdrive v1 device ${deviceSlot}`)))
      return seed
    },
  }
}
