/** What of a store that the drive left is not confirmed by its node. */
import test, { type ExecutionContext } from 'ava'
import { parseCid } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import { SyncState } from '../state/sync-state.js'
import { DriveNames } from '../heads/drive-names.js'
import { putDamage } from '../check/damage.js'
import { around } from '../../../test/support/sync/around.js'
import { publish, two } from '../../../test/support/sync/turns.js'
import { World, type Device } from '../../../test/support/sync/world.js'
import type { Unconfirmed } from '../check/contract.js'
import { unconfirmedOf, type ComparedStore } from './unconfirmed.js'

const signal = new AbortController().signal
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
  await t.throwsAsync(sync.unconfirmed(store, signal), { message: /moving/ })
  sync.keepNode()
  await device.drive.write('/later', world.random.bytes(600_000))
  await sync.syncNow()
  return { world, device, other, store }
}

/** While the device's sync is closed, so that it sends nothing again. */
function at(node: IpfsNode, { queue }: Device, { keys, core }: World, store: ComparedStore): Promise<Unconfirmed> {
  return unconfirmedOf(store, { state: new SyncState(queue), node, core, names: new DriveNames(keys) }, signal)
}

test('S-184 all is confirmed after a move, also when newer versions replaced the ones of the store', async (t) => {
  const { device, other, store } = await moved(t)
  t.true(store.pins.length > 0)
  const sync = await device.start({ node: other })
  t.deepEqual(await sync.unconfirmed(store, signal), NONE)
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

test('S-184 a head, a pin, a block and a damaged block that the node does not confirm are counted', async (t) => {
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

  const missing: IpfsNode['missing'] = async (cids) => cids.slice(0, 3)
  t.deepEqual(await from(around(other, { missing })), { ...NONE, blocks: 3 })

  const state = new SyncState(device.queue)
  const [digest] = [...state.tables.live.range({ limit: 1 })][0]!
  putDamage({ digest: Uint8Array.from(digest), codec: 'raw', state: 'open', kind: 'damaged' }, state)
  await device.queue.commit()
  t.deepEqual(await from(other), NONE, 'the node returns it')
  const isIt = (cid: string): boolean => Buffer.compare(parseCid(cid).digest, digest) === 0
  const getBlock: IpfsNode['getBlock'] = async (cid, options) =>
    isIt(cid) ? Buffer.from('rot') : other.getBlock(cid, options)
  t.deepEqual(await from(around(other, { getBlock })), { ...NONE, blocks: 1 })
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
  const { heads, versions } = await sync.unconfirmed(ahead, signal)
  t.true(heads >= 2)
  t.true(versions >= 1)
})
