import test, { type ExecutionContext } from 'ava'
import { around } from '../../../test/support/sync/around.js'
import { publishForged } from '../../../test/support/sync/forged-tree.js'
import { assertCountsAreExact, liveOf, World } from '../../../test/support/sync/world.js'
import { pinTreeOf, usesOf } from '../../../test/support/sync/version-uses.js'
import { DriveError, hex, nameFromText, type DriveErrorCode } from '../../base/index.js'
import { buildMap, cidOf, directoryRow, findInDirectory, type TreeRef } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import { openExisting } from '../fetch/open-existing.js'

/** A drive of one device, with a folder. */
async function start(t: ExecutionContext, seed: number): Promise<{ w: World; folder: TreeRef; other: TreeRef }> {
  const w = await World.open(seed)
  t.teardown(() => w.close())
  const { drive, ...first } = await w.firstDevice()
  for (const path of ['/folder', '/folder/deep', '/other']) await drive.makeDirectory(path)
  const same = w.random.bytes(50_000)
  await drive.write('/other/small', w.random.bytes(100))
  for (const path of ['/same', '/folder/same', '/folder/deep/same']) await drive.write(path, same)
  await drive.write('/folder/deep/long', w.random.bytes(6_000_000))
  await (await first.start()).syncNow()
  await first.stop()
  return { w, folder: await directory(w, 'folder'), other: await directory(w, 'other') }
}

async function directory(w: World, name: string): Promise<TreeRef> {
  const { content } = (await openExisting(w)).root
  const entry = content.kind === 'tree' ? await findInDirectory(content.ref, nameFromText(name), w.fetch) : undefined
  if (entry?.content.kind !== 'tree') throw new Error('no directory')
  return entry.content.ref
}

/** The node, which cannot return these blocks. */
function without(node: IpfsNode, lost: readonly string[], code: DriveErrorCode = 'NOT_FOUND'): IpfsNode {
  return around(node, {
    getBlock: (cid, options) =>
      lost.includes(cid)
        ? Promise.reject(new DriveError(code, 'The node does not return that block.'))
        : node.getBlock(cid, options),
  })
}

test('S-127 blocks below a directory that the node does not return stay in the pin of the next version', async (t) => {
  const { w, folder } = await start(t, 901)
  const { version } = await openExisting(w)
  const before = await usesOf(version, w.fetch)
  const device = await w.nextDevice()
  const sync = await device.start({ node: without(w.node, [cidOf(folder.digest, 'raw')]) })
  await device.drive.write('/new', w.random.bytes(1000))
  await sync.syncNow()
  const pinned = await pinTreeOf((await openExisting(w)).version, w.fetch)
  const after = await usesOf((await openExisting(w)).version, w.fetch)
  t.deepEqual(
    [...after.keys()].filter((digest) => !pinned.has(digest)),
    [],
  )
  const shared = [...before].filter(([, uses]) => uses === 3)
  t.is(shared.length, 1)
  for (const [digest] of shared) t.is(liveOf(device).get(digest), 3)
})

test('S-127 if the node returns neither a directory nor the pin tree, nothing is published until it does', async (t) => {
  const { w, folder } = await start(t, 902)
  const { version } = await openExisting(w)
  const device = await w.nextDevice()
  const lost = [cidOf(folder.digest, 'raw'), cidOf(version.commit.forest, 'dag-pb')]
  const sync = await device.start({ node: without(w.node, lost) })
  await device.drive.write('/new', w.random.bytes(1000))
  await t.throwsAsync(sync.syncNow(), { code: 'NOT_FOUND' })
  t.deepEqual((await openExisting(w)).version.root, version.root)
  await (await device.start()).syncNow()
  t.notDeepEqual((await openExisting(w)).version.root, version.root)
  await assertCountsAreExact(t, w, device)
})

test('S-127 counting goes on where the node went away', async (t) => {
  const { w, folder, other } = await start(t, 903)
  const device = await w.nextDevice()
  const asked: string[] = []
  let isAway = true
  const node = around(w.node, {
    getBlock: (cid, options) => {
      if (isAway && cid === cidOf(folder.digest, 'raw'))
        return Promise.reject(new DriveError('OFFLINE', 'The node is away.'))
      asked.push(cid)
      return w.node.getBlock(cid, options)
    },
  })
  const sync = await device.start({ node, settings: { offlineMs: 0 } })
  await device.drive.write('/new', w.random.bytes(1000))
  await t.throwsAsync(sync.syncNow(), { code: 'OFFLINE' })
  isAway = false
  await (await device.start({ node })).syncNow()
  t.is(asked.filter((cid) => cid === cidOf(folder.digest, 'raw')).length, 1)
  t.is(asked.filter((cid) => cid === cidOf(other.digest, 'raw')).length, 1)
  await assertCountsAreExact(t, w, device)
})

test('S-127 a forged tree with 2^30 paths is counted without walking each of them, and nothing below it is given up', async (t) => {
  const { w } = await start(t, 904)
  const { root } = await openExisting(w)
  const chunk = w.random.bytes(200)
  const digest = w.core.sha256(chunk)
  let entry = {
    ...root,
    mode: 0o100644,
    size: 150,
    content: {
      kind: 'chunks' as const,
      chunks: [{ offset: 0, length: 150, skip: 0, digest, key: w.random.bytes(32) }],
    },
  } as Parameters<typeof directoryRow>[1]
  const blocks = [{ cid: cidOf(digest, 'raw'), bytes: chunk }]
  const nodes: string[] = []
  for (let depth = 0; depth <= 30; depth++) {
    const rows = ['left', 'right'].map((name) =>
      directoryRow(nameFromText(name), { ...entry, fileId: w.random.bytes(16) }),
    )
    const map = buildMap(rows, { random: w.random })
    for (const block of map.blocks) blocks.push({ cid: cidOf(block.digest, 'raw'), bytes: block.bytes })
    nodes.push(...map.blocks.map((block) => hex(block.digest)))
    entry = { ...root, content: { kind: 'tree', ref: map.ref } }
  }
  await w.node.importBlocks(blocks, { roots: [] })
  const [, row] = directoryRow(nameFromText('bomb'), { ...entry, fileId: w.random.bytes(16) })
  await publishForged(w, 1, (rows) => void rows.set('bomb', row))
  const device = await w.nextDevice()
  const sync = await device.start()
  await device.drive.write('/new', w.random.bytes(1000))
  await sync.syncNow()
  const live = liveOf(device)
  const pinned = await pinTreeOf((await openExisting(w)).version, w.fetch)
  for (const each of [...nodes, hex(digest)]) t.true(live.has(each) && pinned.has(each))
  // The block at the end has more references than anyone can count.
  t.is(live.get(hex(digest)), 2 ** 30)
})
