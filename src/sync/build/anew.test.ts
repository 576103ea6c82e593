import test, { type ExecutionContext } from 'ava'
import { DriveError } from '../../base/index.js'
import { cidOf, findInDirectory, readMapNodes, type TreeRef } from '../../dag/index.js'
import { nameFromText } from '../../base/index.js'
import type { IpfsNode } from '../../node/index.js'
import { around } from '../../../test/support/sync/around.js'
import { assertCountsAreExact, World, type Device } from '../../../test/support/sync/world.js'
import { pinTreeOf } from '../../../test/support/sync/version-uses.js'
import { findDrive } from '../fetch/open-existing.js'

/** The node without the blocks it has lost. */
function forgetful(node: IpfsNode, lost: ReadonlySet<string>): IpfsNode {
  return around(node, {
    getBlock: (cid, options) =>
      lost.has(cid)
        ? Promise.reject(new DriveError('NOT_FOUND', 'The node does not hold that block.'))
        : node.getBlock(cid, options),
  })
}

async function treeOf(world: World, name: string): Promise<TreeRef> {
  const { content } = (await findDrive(world))!.version.commit.root
  if (content.kind !== 'tree') throw new Error('an empty drive')
  const entry = await findInDirectory(content.ref, nameFromText(name), world.fetch)
  if (entry?.content.kind !== 'tree') throw new Error('not a tree')
  return entry.content.ref
}

/** A drive made by the first device, and a second device that has loaded all of it except one folder. */
async function start(t: ExecutionContext, seed: number): Promise<{ world: World; device: Device }> {
  const world = await World.open(seed)
  t.teardown(() => world.close())
  const { random } = world
  const first = await world.firstDevice()
  const { drive } = first
  for (const folder of ['/loaded', '/unseen', '/unseen/deep']) await drive.makeDirectory(folder)
  for (let i = 0; i < 400; i++) await drive.write(`/loaded/a name that is rather long ${i}`, random.bytes(100))
  await drive.write('/loaded/body', random.bytes(300_000))
  await drive.write('/loaded/long', random.bytes(6_000_000))
  await drive.write('/unseen/long', random.bytes(6_000_000))
  const same = random.bytes(100_000)
  for (const path of ['/same', '/loaded/same', '/unseen/deep/same']) await drive.write(path, same)
  await drive.write('/loaded/twin', random.bytes(90_000))
  await drive.link('/loaded/twin', '/unseen/twin')
  await drive.write('/unseen/pair', random.bytes(80_000))
  await drive.link('/unseen/pair', '/unseen/deep/pair')
  const sync = await first.start()
  await sync.syncNow()
  await first.stop()
  const device = await world.nextDevice()
  await device.start()
  await device.drive.find('/loaded/long')
  return { world, device }
}

test('S-036 if the node lost a tree node of the last version, the next version is rebuilt from the tree', async (t) => {
  const { world, device } = await start(t, 101)
  const { drive } = device
  const lost = new Set<string>()
  for (const { ref } of await readMapNodes(await treeOf(world, 'loaded'), world.fetch))
    lost.add(cidOf(ref.digest, 'raw'))
  const sync = await device.start({ node: forgetful(world.node, lost) })
  await drive.write('/loaded/new', world.random.bytes(200_000))
  await drive.write('/loaded/pages', world.random.bytes(50_000), 'pages')
  await drive.remove('/loaded/body')
  await sync.syncNow()
  const { version } = (await findDrive(world))!
  const live = await pinTreeOf(version, world.fetch)
  t.is([...live].filter((digest) => lost.has(cidOf(Buffer.from(digest, 'hex'), 'raw'))).length, 0)
  t.deepEqual(await world.seenElsewhere(), await drive.dump())
  // Refcounts of merged pages are only exact after one more version.
  await sync.syncNow()
  await assertCountsAreExact(t, world, device)
  await drive.write('/loaded/next', world.random.bytes(1000))
  await drive.remove('/unseen/deep/pair')
  await sync.syncNow()
  await sync.syncNow()
  await assertCountsAreExact(t, world, device)
})

test('S-036 a part that was never loaded here and that the node lost stays in the drive: the error names it, nothing is published', async (t) => {
  const { world, device } = await start(t, 102)
  const before = (await findDrive(world))!.version.commit.height
  const lost = new Set<string>()
  for (const name of ['loaded', 'unseen'])
    for (const { ref } of await readMapNodes(await treeOf(world, name), world.fetch)) lost.add(cidOf(ref.digest, 'raw'))
  const sync = await device.start({ node: forgetful(world.node, lost) })
  await device.drive.write('/loaded/new', world.random.bytes(1000))
  await t.throwsAsync(sync.syncNow(), { code: 'NOT_FOUND' })
  t.is((await findDrive(world))!.version.commit.height, before)
})
