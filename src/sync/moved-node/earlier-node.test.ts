import test, { type ExecutionContext } from 'ava'
import { DriveError, isDriveError } from '../../base/index.js'
import type { IpfsNode } from '../../node/index.js'
import { cidOf } from '../../dag/index.js'
import { DriveNames } from '../heads/drive-names.js'
import { openExisting } from '../fetch/open-existing.js'
import { around } from '../../../test/support/sync/around.js'
import { World, type Device } from '../../../test/support/sync/world.js'

let seed = 600

interface Used {
  readonly world: World
  readonly first: Device
  readonly second: Device
  /** The node the drive was created on; its names still point to an earlier version. */
  readonly earlier: IpfsNode
  readonly now: IpfsNode
}

/** The effect of `node set` on sync. */
async function move(device: Device, node: IpfsNode): Promise<void> {
  const sync = await device.start({ node, isProvisional: true })
  await sync.syncNow()
  sync.keepNode()
  await sync.syncNow()
}

async function change({ world }: Used, device: Device, name: string, node: IpfsNode): Promise<void> {
  await device.drive.write(`/${name}`, world.random.bytes(60_000))
  await (await device.start({ node })).syncNow()
}

/** Two devices whose drive moved to another node and was published there. The second device only reads. */
async function used(t: ExecutionContext): Promise<Used> {
  t.log(`seed ${seed}`)
  const world = await World.open(seed++)
  const [earlier, now] = [world.node, await world.openNode('now')]
  t.teardown(async () => {
    world.node = earlier
    await world.close()
    await now.close()
  })
  const first = await world.firstDevice()
  await first.drive.write('/one', world.random.bytes(60_000))
  await (await first.start()).syncNow()
  const second = await world.nextDevice()
  await (await second.start()).syncNow()
  const places = { world, first, second, earlier, now }
  await change(places, first, 'two', earlier)
  await move(first, now)
  await move(second, now)
  await change(places, first, 'three', now)
  await second.takeOver({ node: now })
  await (await second.start({ node: now })).syncNow()
  await change(places, first, 'four', now)
  return places
}

async function opensEqual(t: ExecutionContext, { world }: Used, device: Device, node: IpfsNode): Promise<void> {
  const before = world.node
  world.node = node
  await node.collectGarbage()
  t.deepEqual(await world.seenElsewhere(), await device.drive.dump())
  world.node = before
}

test('S-076 a drive moved back to an earlier node continues there, whatever other devices published elsewhere', async (t) => {
  const places = await used(t)
  const { world, first, second, earlier } = places
  await move(first, earlier)
  await change(places, first, 'five', earlier)
  await opensEqual(t, places, first, earlier)
  const own = new DriveNames(world.keys).device(second.slot)
  t.deepEqual(await earlier.getName(own), await places.now.getName(own))
  // The second device takes over.
  await move(second, earlier)
  t.true(await second.takeOver({ node: earlier }))
  await change(places, second, 'six', earlier)
  await opensEqual(t, places, second, earlier)
})

test('S-076 a move during an upload continues on a node with an older version', async (t) => {
  for (const at of ['import', 'names']) {
    const places = await used(t)
    const { world, first, now, earlier } = places
    await first.drive.write('/five', world.random.bytes(60_000))
    const gone = (): Promise<never> => Promise.reject(new DriveError('OFFLINE', 'gone'))
    const dying = around(now, at === 'names' ? { putName: gone } : { importBlocks: gone })
    await t.throwsAsync((await first.start({ node: dying })).syncNow())
    await move(first, earlier)
    await opensEqual(t, places, first, earlier)
    await change(places, first, 'six', earlier)
    await opensEqual(t, places, first, earlier)
  }
})

test('S-076 the slot of a device that has not moved yet is not given to another device', async (t) => {
  const places = await used(t)
  const { world, first } = places
  const fresh = await world.openNode('fresh')
  t.teardown(() => fresh.close())
  await move(first, fresh)
  t.is((await openExisting({ node: fresh, keys: world.keys })).deviceSlot, 2)
})

test('S-076 a device that moves takes over the version there, although another device has not moved yet', async (t) => {
  const places = await used(t)
  const { world, first, second, earlier, now } = places
  world.node = now
  const third = await world.nextDevice()
  await (await third.start({ node: now })).syncNow()
  await change(places, first, 'five', now)
  // The first device has not read the new head of the second; the third has.
  for (const device of [second, third]) {
    t.true(await device.takeOver({ node: now }))
    await (await device.start({ node: now })).syncNow()
    await device.stop()
  }
  await move(first, earlier)
  await change(places, first, 'six', earlier)
  await move(third, earlier)
  t.true(await third.takeOver({ node: earlier }))
  await change(places, third, 'seven', earlier)
  await opensEqual(t, places, third, earlier)
})

test('S-076 a device that came after the last publish keeps its slot, and follows', async (t) => {
  t.log(`seed ${seed}`)
  const world = await World.open(seed++)
  const [earlier, now] = [world.node, await world.openNode('now')]
  t.teardown(async () => {
    await world.close()
    await now.close()
  })
  const first = await world.firstDevice()
  await first.drive.write('/one', world.random.bytes(60_000))
  await (await first.start()).syncNow()
  const second = await world.nextDevice()
  await (await second.start()).syncNow()
  await (await first.start()).hearOfDevices(new AbortController().signal)
  await move(first, now)
  t.is((await openExisting({ node: now, keys: world.keys })).deviceSlot, 2)
  t.not(earlier, now)
})

test('S-076 a device that stayed on the old node follows later, although the versions between are gone', async (t) => {
  const places = await used(t)
  const { world, first, second, now } = places
  const fresh = await world.openNode('fresh')
  t.teardown(() => fresh.close())
  await move(first, fresh)
  // It looks at the node that the first one has left.
  t.true(await second.takeOver({ node: now }))
  await (await second.start({ node: now })).syncNow()
  const roots = new Set<string>()
  for (let i = 0; i < 5; i++) {
    await change(places, first, `round ${i}`, fresh)
    roots.add(cidOf((await openExisting({ node: fresh, keys: world.keys })).version.root, 'dag-pb'))
  }
  roots.delete([...roots].at(-1)!)
  const collected = around(fresh, {
    getBlock: async (cid, options) => {
      if (roots.has(cid)) throw new DriveError('NOT_FOUND', 'It was collected.')
      return fresh.getBlock(cid, options)
    },
  })
  await move(second, collected)
  t.true(await second.takeOver({ node: collected }))
})

test('S-076 the drive continues there, however many versions were published elsewhere', async (t) => {
  const places = await used(t)
  const { first, earlier, now } = places
  for (let i = 0; i < 80; i++) await change(places, first, `round ${i % 3}`, now)
  await now.collectGarbage()
  await move(first, earlier)
  await change(places, first, 'five', earlier)
  await opensEqual(t, places, first, earlier)
})

test('S-076 an older version that the node has lost does not block the move', async (t) => {
  const places = await used(t)
  const { first, earlier } = places
  for (const { cid } of await earlier.listPins()) await earlier.unpin(cid)
  await earlier.collectGarbage({ isThorough: true })
  await move(first, earlier)
  await change(places, first, 'five', earlier)
  await opensEqual(t, places, first, earlier)
})

test('R-31 S-076 on one node an older head of another device still stops sync', async (t) => {
  const places = await used(t)
  const { world, first, second, now } = places
  const name = new DriveNames(world.keys).device(second.slot)
  const old = await places.earlier.getName(name)
  await change(places, first, 'five', now)
  const replaying = around(now, {
    getName: async (asked, options) => (asked === name ? old : now.getName(asked, options)),
  })
  const error = await t.throwsAsync((await first.start({ node: replaying })).syncNow())
  t.true(isDriveError(error, 'ROLLED_BACK'))
})
