import test, { type ExecutionContext } from 'ava'
import { makeDeepTree } from '../../../test/support/sync/deep-tree.js'
import { publishForged } from '../../../test/support/sync/forged-tree.js'
import { assertCountsAreExact, World, type Device } from '../../../test/support/sync/world.js'
import { pinTreeOf, usesOf } from '../../../test/support/sync/version-uses.js'
import { hex } from '../../base/index.js'
import { cidOf, readPinTree, updatePinTree, type Commit } from '../../dag/index.js'
import { openExisting } from './open-existing.js'

interface Lie {
  readonly title: string
  readonly claims: (w: World) => Promise<Partial<Commit>>
}

/** A sound pin tree of some of the blocks of the newest version. */
async function pinTreeOfSome(w: World, keep: (at: number) => boolean): Promise<Partial<Commit>> {
  const { version } = await openExisting(w)
  const all = []
  for await (const { digests } of readPinTree(version.commit.forest, w.fetch)) all.push(...digests)
  const some = all.filter((_, at) => keep(at))
  const { root, blocks } = updatePinTree({
    count: some.length,
    digests: () => some,
    previousBits: undefined,
    previousNode: () => undefined,
    changed: some,
  })
  const imported = blocks.map(({ digest, codec, bytes }) => ({ cid: cidOf(digest, codec), bytes }))
  await w.node.importBlocks(imported, { roots: [] })
  return { forest: root, liveBlocks: some.length }
}

/** A block of the node that is neither a pin tree nor a map. */
async function noise(w: World, codec: 'raw' | 'dag-pb'): Promise<Uint8Array> {
  const bytes = w.random.bytes(500)
  const digest = w.core.sha256(bytes)
  await w.node.importBlocks([{ cid: cidOf(digest, codec), bytes }], { roots: [] })
  return digest
}

const LIES: readonly Lie[] = [
  { title: 'an empty pin tree', claims: (w) => pinTreeOfSome(w, () => false) },
  { title: 'half a pin tree', claims: (w) => pinTreeOfSome(w, (at) => at % 2 === 0) },
  { title: 'a pin tree that cannot be decoded', claims: async (w) => ({ forest: await noise(w, 'dag-pb') }) },
  { title: 'a pin tree that does not exist', claims: async (w) => ({ forest: w.random.bytes(32) }) },
  {
    title: 'a refcount table that cannot be decoded',
    claims: async (w) => ({ duplicates: { digest: await noise(w, 'raw'), key: w.random.bytes(32) } }),
  },
  {
    title: 'a refcount table that does not exist',
    claims: async (w) => ({ duplicates: { digest: w.random.bytes(32), key: w.random.bytes(32) } }),
  },
]

/** A drive whose newest version lies, and the device that made all versions before it. */
async function start(t: ExecutionContext, seed: number, { claims }: Lie): Promise<{ w: World; device: Device }> {
  const w = await World.open(seed)
  t.teardown(() => w.close())
  const device = await w.firstDevice()
  const { drive } = device
  await makeDeepTree(device, w)
  await drive.write('/a/twin', w.random.bytes(40_000))
  await drive.link('/a/twin', '/a/b/twin')
  await (await device.start()).syncNow()
  await device.stop()
  await publishForged(w, 1, () => undefined, false, await claims(w))
  return { w, device }
}

/** Everything that the tree of the published version names is below its pin. */
async function assertAllPinned(t: ExecutionContext, w: World): Promise<void> {
  const { version } = await openExisting(w)
  const pinned = await pinTreeOf(version, w.fetch)
  const uses = await usesOf(version, w.fetch)
  t.deepEqual(
    [...uses.keys()].filter((digest) => !pinned.has(digest)),
    [],
  )
}

for (const [at, lie] of LIES.entries()) {
  test(`S-127 a version with ${lie.title} is taken over, and the next one pins all its files`, async (t) => {
    const { w, device } = await start(t, 880 + at, lie)
    const forged = hex((await openExisting(w)).version.root)
    t.true(await device.takeOver())
    const sync = await device.start()
    // Without a change here: it says published only if everything is pinned.
    await sync.syncNow()
    await assertAllPinned(t, w)
    await device.drive.write('/new', w.random.bytes(30_000))
    await sync.syncNow()
    t.not(hex((await openExisting(w)).version.root), forged)
    await assertAllPinned(t, w)
    await w.node.collectGarbage()
    t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
    await device.drive.remove('/a/same')
    await sync.syncNow()
    await assertCountsAreExact(t, w, device)
  })

  test(`S-127 a new device opens a version with ${lie.title}, and its first one pins all its files`, async (t) => {
    const { w } = await start(t, 890 + at, lie)
    const device = await w.nextDevice()
    const sync = await device.start()
    await device.drive.write('/new', w.random.bytes(30_000))
    await sync.syncNow()
    await assertAllPinned(t, w)
    await w.node.collectGarbage()
    t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
    await assertCountsAreExact(t, w, device)
  })
}
