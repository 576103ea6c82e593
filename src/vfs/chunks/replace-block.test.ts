import test from 'ava'
import { RealDevice } from '../../../test/support/sync/real-device.js'
import { World } from '../../../test/support/sync/world.js'

test('S-072 a row gets another block only if it refers to the old one; nothing else in the file changes', async (t) => {
  const world = await World.open(920)
  t.teardown(() => world.close())
  const device = await RealDevice.first(world)
  t.teardown(async () => {
    await device.close()
    device.remove()
  })
  await device.write('/file', 0, world.random.bytes(300_000), { sync: true })
  const { digests } = await (async () => {
    await device.sync.syncNow()
    return device.port.nextEvicted(0, 10)
  })()
  const before = await device.find('/file')
  const [from] = digests
  const { ino } = before!
  const change = { ino, offset: 0, from: from!, to: world.random.bytes(32), key: world.random.bytes(32) }
  t.deepEqual(await device.port.replaceBlocks([change]), [false], 'the block is not here')
  const [bytes] = await device.port.readBlocks([from!])
  await device.port.adopt([{ digest: change.to, bytes: bytes! }])
  t.deepEqual(await device.port.replaceBlocks([{ ...change, offset: 1 }]), [false], 'no row begins there')
  t.deepEqual(await device.port.replaceBlocks([{ ...change, ino: 999_999 }]), [false], 'no such file')
  await device.write('/file', 0, Buffer.from('edited'), { truncate: true })
  t.deepEqual(await device.port.replaceBlocks([change]), [false], 'edited meanwhile')
  t.is((await device.find('/file'))?.size, 6)
})
