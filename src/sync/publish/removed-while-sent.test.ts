import test from 'ava'
import { around } from '../../../test/support/sync/around.js'
import type { RealDevice } from '../../../test/support/sync/real-device.js'
import { assertPinTreeIsExact, seenElsewhere, startDevice } from '../../../test/support/sync/started-device.js'
import type { World } from '../../../test/support/sync/world.js'

const FILES = 100

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

test('S-036 a directory removed during the upload of its version does not block later versions', async (t) => {
  const { world, device } = await startDevice(t, 71)
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
  const { world, device } = await startDevice(t, 72)
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
