import test, { type ExecutionContext } from 'ava'
import { DriveError, isDriveError } from '../../base/index.js'
import type { IpfsNode } from '../../node/index.js'
import { DriveNames } from '../heads/drive-names.js'
import { around } from '../../../test/support/sync/around.js'
import { CutOff } from '../../../test/support/sync/cut-off.js'
import { publish, two } from '../../../test/support/sync/turns.js'
import { World, type Device } from '../../../test/support/sync/world.js'

let seed = 400

interface Moving {
  readonly world: World
  readonly device: Device
  readonly other: IpfsNode
}

/** A device with one published version and unpublished changes, and another node. */
async function moving(t: ExecutionContext): Promise<Moving> {
  t.log(`seed ${seed}`)
  const world = await World.open(seed++)
  const other = await world.openNode('other')
  t.teardown(async () => {
    await world.close()
    await other.close()
  })
  const device = await world.firstDevice()
  await device.drive.write('/published', world.random.bytes(60_000))
  await (await device.start()).syncNow()
  await device.drive.write('/changed', world.random.bytes(60_000))
  await device.drive.flush()
  return { world, device, other }
}

const onlyCopies = ({ drive }: Device): number => drive.onlyCopies

test('S-031 a plan continued on another node that fails is checked again on the first one', async (t) => {
  const { world, device, other } = await moving(t)
  const whole = await device.drive.dump()
  // The first node takes the blocks and goes away before they are pinned. The other node takes the blocks and refuses
  // the names.
  const gone = (): Promise<never> => Promise.reject(new DriveError('OFFLINE', 'gone'))
  await t.throwsAsync((await device.start({ node: around(world.node, { updatePin: gone, pin: gone }) })).syncNow())
  await t.throwsAsync((await device.start({ node: around(other, { putName: gone }), isProvisional: true })).syncNow())
  await device.stop()
  await world.node.collectGarbage()
  await (await device.start()).syncNow()
  t.is(onlyCopies(device), 0)
  await device.drive.evict()
  await world.node.collectGarbage()
  t.deepEqual(await world.seenElsewhere(), whole)
})

test('S-031 blocks confirmed by a node that is not yet configured are not evictable, and going back loses nothing', async (t) => {
  const { world, device, other } = await moving(t)
  const whole = await device.drive.dump()
  const before = onlyCopies(device)
  t.true(before > 0)
  const there = await device.start({ node: other, isProvisional: true })
  await there.syncNow()
  await there.syncNow()
  t.is(onlyCopies(device), before)
  t.is((await device.drive.counts()).dirtyInodes > 0, true)
  await device.drive.write('/later', world.random.bytes(1000))
  const sync = await device.start()
  await sync.syncNow()
  t.is(sync.status().phase, 'idle')
  t.is(onlyCopies(device), 0)
  await world.node.collectGarbage()
  t.deepEqual(await world.seenElsewhere(), await device.drive.dump())
  t.deepEqual(Object.keys(whole), Object.keys(whole))
})

test('S-190 S-031 a node that lacks a published version gets its blocks first, and is not asked to pin what it lacks', async (t) => {
  const { device, other } = await moving(t)
  let pins = 0
  const pin: IpfsNode['pin'] = async (cid, options) => {
    pins++
    t.deepEqual(await other.missing([cid]), [], 'a pin would search the network of the node')
    return other.pin(cid, options)
  }
  await (await device.start({ node: around(other, { pin }), isProvisional: true })).syncNow()
  t.true(pins > 0)
})

test('S-031 once the other node is the configured one, its confirmations count', async (t) => {
  const { world, device, other } = await moving(t)
  const there = await device.start({ node: other, isProvisional: true })
  await there.syncNow()
  await device.drive.write('/later', world.random.bytes(1000))
  there.keepNode()
  await there.syncNow()
  t.is(onlyCopies(device), 0)
  const first = world.node
  world.node = other
  await other.collectGarbage()
  await device.drive.evict()
  t.deepEqual(await world.seenElsewhere(), await device.drive.dump())
  world.node = first
})

test('S-031 cut off after any call to the other node, the drive continues on its own node', async (t) => {
  for (let at = 1, isCut = true; isCut; at++) {
    const { world, device, other } = await moving(t)
    const cut = new CutOff(at)
    await (await device.start({ node: cut.wrap(other), isProvisional: true })).syncNow().catch(() => undefined)
    isCut = cut.isCut
    await device.stop()
    device.queue.crash()
    await device.drive.evict()
    await world.node.collectGarbage()
    await (await device.start()).syncNow()
    t.is(onlyCopies(device), 0, `cut after call ${at}`)
    await device.drive.evict()
    await world.node.collectGarbage()
    t.deepEqual(await world.seenElsewhere(), await device.drive.dump(), `cut after call ${at}`)
  }
})

test('S-031 a node that has the names but not the pin gets the version again', async (t) => {
  const { world, device } = await moving(t)
  await (await device.start()).syncNow()
  await device.stop()
  for (const { cid } of await world.node.listPins()) await world.node.unpin(cid)
  await world.node.collectGarbage()
  await (await device.start()).syncNow()
  t.deepEqual(await world.seenElsewhere(), await device.drive.dump())
})

test('S-031 a drive that is not complete on this machine is not sent to another node, and its upload is kept', async (t) => {
  const { world, device, other } = await moving(t)
  await device.drive.evict()
  const error = await t.throwsAsync((await device.start({ node: other, isProvisional: true })).syncNow())
  t.true(isDriveError(error, 'NOT_FOUND'))
  await (await device.start()).syncNow()
  t.deepEqual(await world.seenElsewhere(), await device.drive.dump())
})

/** A device that was cut off when its version was named, and another one that went on from there. */
async function goneOn(t: ExecutionContext): Promise<{ readonly world: World; readonly first: Device }> {
  t.log(`seed ${seed}`)
  const world = await World.open(seed++)
  t.teardown(() => world.close())
  const [first, second] = await two(world)
  await first.drive.write('/from first', world.random.bytes(60_000))
  const { node } = world
  const dying = around(node, {
    putName: async (name, record, options) => {
      await node.putName(name, record, options)
      if (name === new DriveNames(world.keys).drive) throw new DriveError('OFFLINE', 'gone')
    },
  })
  await t.throwsAsync((await first.start({ node: dying })).syncNow())
  await first.stop()
  t.true(await second.takeOver())
  await second.start()
  await second.drive.write('/from second', world.random.bytes(1000))
  await publish(second)
  return { world, first }
}

test('S-031 a version that another device went on from is not settled by a node that does not count yet', async (t) => {
  const { first } = await goneOn(t)
  const before = onlyCopies(first)
  t.true(before > 0)
  const there = await first.start({ isProvisional: true })
  await there.syncNow()
  t.is(onlyCopies(first), before)
  t.true((await first.drive.counts()).dirtyInodes > 0)
  const sync = await first.start()
  await sync.syncNow()
  t.truthy(sync.status().newer)
  t.is(onlyCopies(first), 0)
  t.is((await first.drive.counts()).dirtyInodes, 0)
})

test('S-031 S-079 what changed after that version is not passed over by a node that does not count yet', async (t) => {
  const { world, first } = await goneOn(t)
  await first.drive.write('/in no version', world.random.bytes(1000))
  await first.drive.flush()
  const error = await t.throwsAsync((await first.start({ isProvisional: true })).syncNow())
  t.true(isDriveError(error, 'DIVERGED'))
})
