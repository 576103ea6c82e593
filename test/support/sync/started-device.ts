/** One device over real storage beside a world, what another device sees of it, and what its version must hold. */
import type { ExecutionContext } from 'ava'
import { findDrive } from '../../../src/sync/fetch/open-existing.js'
import { RealDevice } from './real-device.js'
import { World } from './world.js'
import { pinTreeOf, usesOf } from './version-uses.js'

/** Closed and removed after the test. */
export async function startDevice(t: ExecutionContext, seed: number): Promise<{ world: World; device: RealDevice }> {
  t.log(`seed ${seed}`)
  const world = await World.open(seed)
  const device = await RealDevice.first(world)
  t.teardown(async () => {
    await device.close()
    device.remove()
    await world.close()
  })
  return { world, device }
}

/** The tree as seen by a device that has only the keys and the node. */
export async function seenElsewhere(world: World): Promise<Record<string, string>> {
  const other = await RealDevice.next(world)
  try {
    return await other.dump()
  } finally {
    await other.close()
    other.remove()
  }
}

export async function assertPinTreeIsExact(t: ExecutionContext, world: World): Promise<void> {
  const { version } = (await findDrive(world))!
  const uses = await usesOf(version, world.fetch)
  t.deepEqual([...(await pinTreeOf(version, world.fetch))].sort(), [...uses.keys()].sort())
}
