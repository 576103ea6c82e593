import test from 'ava'
import { publishForged } from '../../../test/support/sync/forged-tree.js'
import { World, type Device } from '../../../test/support/sync/world.js'
import { buildMap, cidOf, duplicateRow, readPinTree, type Commit } from '../../dag/index.js'
import { openExisting } from './open-existing.js'

async function forgedWith(w: World, claims: Partial<Commit>): Promise<Device> {
  const device = await w.firstDevice()
  await device.drive.write('/mine', w.random.bytes(20_000))
  await (await device.start()).syncNow()
  await device.stop()
  await publishForged(w, 1, () => undefined, false, claims)
  return device
}

async function goesOn(w: World, device: Device): Promise<Record<string, string>> {
  await device.takeOver()
  const sync = await device.start()
  for (const name of ['/new', '/newer']) {
    await device.drive.write(name, w.random.bytes(30_000))
    await sync.syncNow()
  }
  await device.drive.remove('/new')
  await sync.syncNow()
  return device.drive.dump()
}

for (const liveBlocks of [Number.MAX_SAFE_INTEGER, 0]) {
  test(`S-036 a number of blocks that another device made up (${liveBlocks}) stops nothing`, async (t) => {
    const w = await World.open(770)
    t.teardown(() => w.close())
    const device = await forgedWith(w, { liveBlocks })
    t.deepEqual(await goesOn(w, device), await w.seenElsewhere())
  })
}

test('S-036 absurd refcounts of another device, also of blocks that its version does not have, stop nothing', async (t) => {
  const w = await World.open(772)
  t.teardown(() => w.close())
  const made = await w.firstDevice()
  await made.drive.write('/mine', w.random.bytes(20_000))
  await (await made.start()).syncNow()
  await made.stop()
  const { version } = await openExisting(w)
  const digests = [w.random.bytes(32), w.random.bytes(32)]
  for await (const page of readPinTree(version.commit.forest, w.fetch)) digests.push(...page.digests)
  const rows = digests.map((digest, at) => duplicateRow(digest, Number.MAX_SAFE_INTEGER - at))
  const map = buildMap(
    rows.sort((a, b) => Buffer.compare(a[0], b[0])),
    { random: w.random },
  )
  await w.node.importBlocks(
    map.blocks.map(({ digest, codec, bytes }) => ({ cid: cidOf(digest, codec), bytes })),
    { roots: [] },
  )
  await publishForged(w, 1, () => undefined, false, { duplicates: map.ref })
  t.deepEqual(await goesOn(w, made), await w.seenElsewhere())
})
