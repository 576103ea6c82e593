/** What of a store that the drive left is not confirmed by its node. */
import test, { type ExecutionContext } from 'ava'
import { DriveError, silentLog } from '../../base/index.js'
import { cidOf } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import { SyncState } from '../state/sync-state.js'
import { DriveNames } from '../heads/drive-names.js'
import { damageOf } from '../check/damage.js'
import type { CheckParts } from '../check/parts.js'
import { around } from '../../../test/support/sync/around.js'
import { rotting } from '../../../test/support/sync/rotten.js'
import { publish, two } from '../../../test/support/sync/turns.js'
import { World, type Device } from '../../../test/support/sync/world.js'
import type { Unconfirmed } from '../check/contract.js'
import { unconfirmedOf, type ComparedStore } from './unconfirmed.js'

const signal = new AbortController().signal
const nothing = (): void => undefined
const NONE = { heads: 0, versions: 0, blocks: 0 }
let seed = 8400

interface Moved {
  readonly world: World
  readonly device: Device
  readonly other: IpfsNode
  readonly store: ComparedStore
}

/** What a node of the world keeps, as a store that was left. */
async function storeOf(world: World, node: IpfsNode, slots: readonly number[]): Promise<ComparedStore> {
  const names = new DriveNames(world.keys)
  const all = [names.drive, ...slots.map((slot) => names.device(slot))]
  const records = await Promise.all(all.map(async (name) => [name, await node.getName(name)] as const))
  const pins = (await node.listPins()).map(({ cid }) => cid)
  return { pins, names: new Map(records), getBlock: (cid) => node.getBlock(cid) }
}

/** A device whose drive moved from the world's node to another one, which it used since. */
async function moved(t: ExecutionContext): Promise<Moved> {
  t.log(`seed ${seed}`)
  const world = await World.open(seed++)
  const other = await world.openNode('other')
  t.teardown(async () => {
    await world.close()
    await other.close()
  })
  const device = await world.firstDevice()
  await device.drive.write('/file', world.random.bytes(600_000))
  await publish(device)
  const store = await storeOf(world, world.node, [0])
  const sync = await device.start({ node: other, isProvisional: true })
  await sync.syncNow()
  await t.throwsAsync(sync.unconfirmed(store, signal, nothing), { message: /moving/ })
  sync.keepNode()
  await device.drive.write('/later', world.random.bytes(600_000))
  await sync.syncNow()
  return { world, device, other, store }
}

/** While the device's sync is closed, so that it sends nothing again. */
function at(node: IpfsNode, device: Device, world: World, store: ComparedStore): Promise<Unconfirmed> {
  return unconfirmedOf(store, partsOf(node, device, world), signal, () => undefined)
}

function partsOf(node: IpfsNode, { queue, drive, slot }: Device, { keys, core, random }: World): CheckParts {
  const state = new SyncState(queue)
  const publish = (): Promise<void> => Promise.reject(new Error('the version is known'))
  return {
    ...{ state, port: drive.port, meta: drive.meta.reader(), node, names: new DriveNames(keys), deviceSlot: slot },
    ...{ core, random, log: silentLog, publish },
    publisher: { newer: undefined, isProvisional: false, forgetHeld: () => undefined },
  }
}

test('S-184 all is confirmed after a move, also when newer versions replaced the ones of the store', async (t) => {
  const { device, other, store } = await moved(t)
  t.true(store.pins.length > 0)
  const sync = await device.start({ node: other })
  t.deepEqual(await sync.unconfirmed(store, signal, nothing), NONE)
  await device.stop()
})

test('S-184 the node that was left never counts: a node that has nothing confirms nothing', async (t) => {
  const { world, device, store } = await moved(t)
  const empty = await world.openNode('empty')
  t.teardown(() => empty.close())
  await device.stop()
  const { heads, versions, blocks } = await at(empty, device, world, store)
  t.is(heads, 2)
  t.true(versions >= 2)
  t.true(blocks > 4)
})

test('S-184 a head, a pin and blocks that the node does not confirm are counted', async (t) => {
  const { world, device, other, store } = await moved(t)
  await device.stop()
  const from = (node: IpfsNode): Promise<unknown> => at(node, device, world, store)
  const names = new DriveNames(world.keys)
  const old = store.names.get(names.device(0))!
  // An older record than the store has.
  const held = names.open(names.device(0), old)
  const record = names.makeRecords(held.root, { height: 0, deviceSlot: 0 }).device
  const getName: IpfsNode['getName'] = (name, options) =>
    name === names.device(0) ? Promise.resolve(record) : other.getName(name, options)
  t.deepEqual(await from(around(other, { getName })), { ...NONE, heads: 1 })

  const listPins: IpfsNode['listPins'] = () => Promise.resolve([])
  t.deepEqual(await from(around(other, { listPins })), { heads: 2, versions: 1 + store.pins.length, blocks: 0 })

  const listed = new SyncState(device.queue).tables.live.range({ limit: 3 })
  const gone = new Set(Array.from(listed, ([digest]) => cidOf(Uint8Array.from(digest), 'raw')))
  t.deepEqual(await from(rotting(other, gone, 'NOT_FOUND')), { ...NONE, blocks: 3 })
  t.deepEqual(await from(other), NONE, 'the node returns them')
})

test('S-184 blocks that the node claims to have are read back; damaged ones are recorded for a repair', async (t) => {
  const { world, device, other, store } = await moved(t)
  await device.stop()
  // They are only at the node and in the store.
  await device.drive.evict()
  const { live } = new SyncState(device.queue).tables
  const all = Array.from(live.range(), ([digest]) => Uint8Array.from(digest))
  const chunks = (await device.drive.port.readBlocks(all)).flatMap((here, i) => (here === undefined ? [all[i]!] : []))
  const kept = await Promise.all(
    chunks.map((one) =>
      store.getBlock(cidOf(one, 'raw')).then(
        () => one,
        () => undefined,
      ),
    ),
  )
  const lost = kept.find((one) => one !== undefined)!
  const cid = cidOf(lost, 'raw')
  const lying: IpfsNode['getBlock'] = async (asked, options) =>
    asked === cid ? Buffer.from('rot') : other.getBlock(asked, options)
  for (const node of [
    around(other, { getBlock: lying }),
    rotting(other, new Set([cid])),
    rotting(other, new Set([cid]), 'NODE_ERROR'),
  ]) {
    t.deepEqual(await node.missing([cid]), [], 'it claims to have it')
    t.deepEqual(await at(node, device, world, store), { ...NONE, blocks: 1 })
  }
  t.is(damageOf(lost, new SyncState(device.queue))?.state, 'open')
  // Nothing else has a good copy.
  t.deepEqual(Buffer.from((await device.drive.port.readBlocks([lost]))[0]!), Buffer.from(await store.getBlock(cid)))
  await device.drive.evict()
  t.is(device.drive.onlyCopies, 1, 'it is kept until the repair')

  const sync = await device.start({ node: rotting(other, new Set([cid])) })
  const request = { node: true, repair: true, signal, onFinding: nothing, onProgress: nothing }
  t.like(await sync.check(request), { open: 0, lost: 0 })
  t.deepEqual(await sync.unconfirmed(store, signal, nothing), NONE)
  await device.stop()
})

test('S-184 damage of the pin tree and of the commit is found, and failures of the node are thrown', async (t) => {
  const { world, device, other, store } = await moved(t)
  await device.stop()
  const { head, tables } = new SyncState(device.queue)
  for (const cid of [
    cidOf(head!.root, 'dag-pb'),
    cidOf(head!.commit.forest, 'dag-pb'),
    cidOf(head!.commitDigest, 'raw'),
  ])
    t.deepEqual(await at(rotting(other, new Set([cid])), device, world, store), { ...NONE, blocks: 1 })
  const offline = around(other, {
    getBlock: () => Promise.reject(new DriveError('OFFLINE', 'gone')),
    probe: () => Promise.reject(new DriveError('OFFLINE', 'gone')),
  })
  await t.throwsAsync(at(offline, device, world, store), { message: 'gone' })
  const stop = new AbortController()
  const [last] = Array.from(tables.live.range(), ([digest]) => cidOf(Uint8Array.from(digest), 'raw'))
  const stopping = around(other, {
    getBlock: (cid, options) => {
      if (cid === last) stop.abort()
      return other.getBlock(cid, options)
    },
  })
  const parts = partsOf(stopping, device, world)
  await t.throwsAsync(unconfirmedOf(store, parts, stop.signal, nothing), { code: 'ABORTED' })
})

test('S-184 a version of another device that only the pin confirms is read back too', async (t) => {
  const world = await World.open(seed++)
  t.teardown(() => world.close())
  const [first, second] = await two(world)
  await second.takeOver()
  await second.drive.write('/of the second', world.random.bytes(500_000))
  await publish(second)
  // The first device has not read that version.
  const ahead = await storeOf(world, world.node, [0, 1])
  const { live } = new SyncState(second.queue).tables
  const own = new SyncState(first.queue).tables.live
  const fresh = Array.from(live.range(), ([digest]) => Uint8Array.from(digest)).filter(
    (one) => own.get(one) === undefined,
  )
  t.true(fresh.length > 0)
  const names = new DriveNames(world.keys)
  const both = { ...ahead, names: new Map([...ahead.names].filter(([name]) => name !== names.drive)) }
  // Kept for both devices.
  const root = new SyncState(first.queue).head!.root
  await world.node.pin(cidOf(root, 'dag-pb'), { name: names.pin })
  const { blocks } = await at(world.node, first, world, both)
  t.is(blocks, 0)
  const rot = new Set(fresh.slice(0, 2).map((one) => cidOf(one, 'raw')))
  t.is((await at(rotting(world.node, rot), first, world, both)).blocks, rot.size)
})

test('S-184 the head of a device whose changes the node never got is not confirmed', async (t) => {
  const world = await World.open(seed++)
  const other = await world.openNode('other')
  t.teardown(async () => {
    await world.close()
    await other.close()
  })
  const [first, second] = await two(world)
  await second.takeOver()
  await second.drive.write('/of the second', world.random.bytes(500_000))
  await publish(second)
  const ahead = await storeOf(world, world.node, [0, 1])
  const sync = await first.start({ node: other, isProvisional: true })
  await sync.syncNow()
  sync.keepNode()
  await sync.syncNow()
  const { heads, versions } = await sync.unconfirmed(ahead, signal, nothing)
  t.true(heads >= 2)
  t.true(versions >= 1)
})
