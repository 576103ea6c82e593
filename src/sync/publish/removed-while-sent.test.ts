import test, { type ExecutionContext } from 'ava'
import { around } from '../../../test/support/sync/around.js'
import { RealDevice } from '../../../test/support/sync/real-device.js'
import { pinTreeOf, usesOf, World } from '../../../test/support/sync/world.js'
import { findDrive } from '../fetch/open-existing.js'

const FILES = 100

async function start(t: ExecutionContext, seed: number): Promise<{ world: World; device: RealDevice }> {
  const world = await World.open(seed)
  const device = await RealDevice.first(world)
  t.teardown(async () => {
    await device.close()
    device.remove()
    await world.close()
  })
  return { world, device }
}

/** Opens the device again. `work` runs once, between the build of the next version and its upload. */
async function whileSending(world: World, device: RealDevice, work: () => Promise<void>): Promise<void> {
  let isDone = false
  await device.close()
  await device.open(() => ({
    node: around(world.node, {
      importBlocks: async (blocks, options) => {
        if (!isDone) {
          isDone = true
          await work()
        }
        return world.node.importBlocks(blocks, options)
      },
    }),
  }))
}

async function seenElsewhere(world: World): Promise<Record<string, string>> {
  const other = await RealDevice.next(world)
  try {
    return await other.dump()
  } finally {
    await other.close()
    other.remove()
  }
}

async function assertPinTreeIsExact(t: ExecutionContext, world: World): Promise<void> {
  const { version } = (await findDrive(world))!
  const uses = await usesOf(version, world.fetch)
  t.deepEqual([...(await pinTreeOf(version, world.fetch))].sort(), [...uses.keys()].sort())
}

test('S-036 a directory removed during the upload of its version does not block later versions', async (t) => {
  const { world, device } = await start(t, 71)
  await device.makeDirectory('/folder')
  const fill = async (from: number, count: number): Promise<void> => {
    for (let i = from; i < from + count; i++) await device.write(`/folder/${i}`, 0, Buffer.from(`file ${i}`))
  }
  await fill(0, FILES)
  await device.sync.syncNow()
  await whileSending(world, device, async () => {
    for (let i = 0; i < FILES + 20; i++) await device.unlink(`/folder/${i}`)
    await device.removeDirectory('/folder')
  })
  await fill(FILES, 20)
  await device.sync.syncNow()
  await world.node.collectGarbage()
  await device.sync.syncNow()
  t.deepEqual(await seenElsewhere(world), await device.dump())
  await device.sync.syncNow()
  await assertPinTreeIsExact(t, world)
})

test('S-036 a long file that is changed, then removed during the upload of its version does not block later versions', async (t) => {
  const { world, device } = await start(t, 72)
  await device.write('/long', 0, world.random.bytes(6_000_000))
  await device.write('/kept', 0, world.random.bytes(300_000))
  await device.sync.syncNow()
  await whileSending(world, device, () => device.unlink('/long'))
  await device.write('/long', 6_000_000, world.random.bytes(2_000_000))
  await device.sync.syncNow()
  await world.node.collectGarbage()
  await device.sync.syncNow()
  t.deepEqual(await seenElsewhere(world), await device.dump())
  await device.sync.syncNow()
  await assertPinTreeIsExact(t, world)
})
