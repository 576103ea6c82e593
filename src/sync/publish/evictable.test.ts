import test, { type ExecutionContext } from 'ava'
import { MIB, sleep } from '../../base/index.js'
import { RealDevice } from '../../../test/support/sync/real-device.js'
import type { Disk } from '../../platform/index.js'
import { World } from '../../../test/support/sync/world.js'
import { until } from '../../../test/support/until.js'

async function start(t: ExecutionContext, seed: number, space?: Disk): Promise<{ world: World; device: RealDevice }> {
  const world = await World.open(seed)
  // What a store on the same disk shares is not evicted.
  const device = await RealDevice.first(world, space, space === undefined)
  t.teardown(async () => {
    await device.close()
    device.remove()
    await world.close()
  })
  return { world, device }
}

async function cacheOf(device: RealDevice): Promise<{ used: number; onlyCopy: number }> {
  const { cacheUsedBytes, cacheEvictableBytes } = await device.port.counts()
  return { used: cacheUsedBytes, onlyCopy: cacheUsedBytes - cacheEvictableBytes }
}

/** Evicts as much as possible. Only copies stay; everything else goes. */
async function evictAll(t: ExecutionContext, device: RealDevice, onlyCopy: number): Promise<void> {
  await device.port.evictTo(0)
  t.deepEqual(await cacheOf(device), { used: onlyCopy, onlyCopy })
}

for (const [how, lengths] of Object.entries({
  'in one extent': [3 * MIB],
  'in scattered pages': [5000, 100, 9000],
  'in overlapping extents': [2 * MIB, 300_000, 700_000],
})) {
  test(`R-11 the middle of a published file is overwritten ${how}: its blocks stay until they are published, and no longer`, async (t) => {
    const { world, device } = await start(t, 61)
    const size = 12 * MIB
    await device.write('/large', 0, world.random.bytes(size))
    await device.port.flush()
    const before = await cacheOf(device)
    t.true(before.onlyCopy >= size)
    await evictAll(t, device, before.onlyCopy)
    await device.sync.syncNow()
    t.is((await cacheOf(device)).onlyCopy, 0)

    for (const length of lengths) {
      const at = 4096 * (500 + world.random.next(1000))
      await device.write('/large', at, world.random.bytes(length), { sync: true })
    }
    const dump = await device.dump()
    const { onlyCopy } = await cacheOf(device)
    await evictAll(t, device, onlyCopy)
    t.deepEqual(await device.dump(), dump, 'evicted blocks are on the node, new ones are here')
    await device.sync.syncNow()
    t.is((await cacheOf(device)).onlyCopy, 0, 'everything is published, so everything may be evicted')
    // Merged pages have replaced rows. The garbage is only known after one more version.
    await device.write('/other', 0, world.random.bytes(10))
    await device.sync.syncNow()
    await evictAll(t, device, 0)
    await world.node.collectGarbage()
    t.is((await device.dump())['/large'], dump['/large'], 'the node has all of it')

    await device.unlink('/large')
    await device.sync.syncNow()
    t.deepEqual(await cacheOf(device), { used: 0, onlyCopy: 0 })
  })
}

test('R-11 a block that several files share is evictable while one of them is published, and is freed with the last one', async (t) => {
  const { world, device } = await start(t, 62)
  const plain = world.random.bytes(3 * MIB)
  await device.write('/a', 0, plain)
  await device.sync.syncNow()
  await device.write('/b', 0, plain)
  await device.port.flush()
  await device.write('/b', 1_024_000, world.random.bytes(400_000), { sync: true })
  await device.unlink('/a')
  const dump = await device.dump()
  await device.port.evictTo(0)
  t.deepEqual(await device.dump(), dump)
  await device.sync.syncNow()
  t.is((await cacheOf(device)).onlyCopy, 0)
  await world.node.collectGarbage()
  await device.port.evictTo(0)
  t.deepEqual(await device.dump(), dump)
  await device.unlink('/b')
  await device.sync.syncNow()
  await device.write('/other', 0, world.random.bytes(10))
  await device.sync.syncNow()
  t.deepEqual(await cacheOf(device), { used: 0, onlyCopy: 0 })
})

test('R-63 on a disk that gets full the cache evicts without a request, and only blocks that a node has', async (t) => {
  let availableBytes = 2 ** 40
  const { world, device } = await start(t, 63, { space: () => ({ totalBytes: 2 ** 42, availableBytes }) })
  await device.write('/published', 0, world.random.bytes(6 * MIB))
  await device.sync.syncNow()
  await device.write('/staged', 0, world.random.bytes(2 * MIB), { sync: true })
  const dump = await device.dump()
  const { onlyCopy, used } = await cacheOf(device)
  t.true(used - onlyCopy >= 6 * MIB)
  await sleep(1500)
  t.is((await cacheOf(device)).used, used, 'there is room')
  availableBytes = 20 * MIB
  await until(async () => (await cacheOf(device)).used <= onlyCopy, 50)
  t.deepEqual(await cacheOf(device), { used: onlyCopy, onlyCopy })
  t.deepEqual(await device.dump(), dump)
})

test('R-63 S-186 on a full disk without a node, removed files that were never published free their space, also beside shared ones', async (t) => {
  const { world, device } = await start(t, 64)
  const kept = world.random.bytes(2 * MIB)
  await device.write('/kept', 0, kept)
  await device.sync.syncNow()
  await device.write('/staged', 0, world.random.bytes(2 * MIB), { sync: true })
  await device.write('/cut', 0, world.random.bytes(3 * MIB), { sync: true })
  await device.write('/filler', 0, world.random.bytes(8 * MIB), { sync: true })
  await device.write('/same as kept', 0, kept, { sync: true })
  const { used } = await cacheOf(device)
  await device.truncate('/cut', MIB)
  await device.unlink('/filler')
  await device.unlink('/same as kept')
  // Some content is written again during the search for garbage.
  const looking = device.port.discardUnpublished()
  await device.write('/again', 0, kept, { sync: true })
  await looking
  const { used: left } = await cacheOf(device)
  t.true(used - left >= 9 * MIB, `${used - left} bytes were given back`)
  const dump = await device.dump()
  await device.port.evictTo(0)
  t.deepEqual(await device.dump(), dump)
  await device.sync.syncNow()
  await device.write('/kept', 0, Buffer.from('x'))
  await device.sync.syncNow()
  await world.node.collectGarbage()
  const now = await device.dump()
  await device.port.evictTo(0)
  t.deepEqual(await device.dump(), now)
  t.deepEqual(await cacheOf(device), { used: 0, onlyCopy: 0 })
})
