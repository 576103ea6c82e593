/** Two devices that are used in turn. */
import type { Device, World } from './world.js'

/** Two devices on one version that the first made. The version has every kind of file. */
export async function two(w: World): Promise<[Device, Device]> {
  const first = await w.firstDevice()
  const { drive } = first
  await drive.write('/big', w.random.bytes(3_000_000))
  await drive.write('/small', w.random.bytes(500))
  await drive.makeDirectory('/folder')
  await drive.write('/folder/pages', w.random.bytes(50_000), 'pages')
  await drive.write('/twin', w.random.bytes(4000))
  await drive.link('/twin', '/folder/other twin')
  await drive.write('/to be removed', w.random.bytes(20_000))
  await publish(first)
  const second = await w.nextDevice()
  await publish(second)
  return [first, second]
}

export async function publish(device: Device): Promise<void> {
  const sync = await device.start()
  await sync.syncNow()
  // Refcounts that merging pages left to be decremented.
  await sync.syncNow()
  await device.stop()
}

export async function dumpOf(device: Device): Promise<Record<string, string>> {
  await device.start()
  const dump = await device.drive.dump()
  await device.stop()
  return dump
}
