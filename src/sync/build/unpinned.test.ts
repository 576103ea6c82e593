import test from 'ava'
import { makeDeepTree } from '../../../test/support/sync/deep-tree.js'
import { assertCountsAreExact, World } from '../../../test/support/sync/world.js'
import { pinTreeOf, usesOf } from '../../../test/support/sync/version-uses.js'
import { pagesOf } from '../../storage/kv/index.js'
import { openExisting } from '../fetch/open-existing.js'
import { SyncState } from '../state/sync-state.js'

test('S-127 fsck --node --repair publishes a whole pin tree when blocks of the tree are in no pin', async (t) => {
  const w = await World.open(940)
  t.teardown(() => w.close())
  const device = await w.firstDevice()
  const { drive } = device
  await makeDeepTree(device, w)
  await (await device.start()).syncNow()
  await device.stop()
  // A version as a program made it that believed an incomplete pin tree.
  const { tables, queue } = new SyncState(device.queue)
  let at = 0
  for (const rows of pagesOf(tables.live)) for (const [digest] of rows) if (at++ % 2 === 0) tables.live.delete(digest)
  await queue.commit()
  await drive.write('/new', w.random.bytes(30_000))
  const sync = await device.start()
  await sync.syncNow()
  const unpinned = async (): Promise<string[]> => {
    const { version } = await openExisting(w)
    const pinned = await pinTreeOf(version, w.fetch)
    return [...(await usesOf(version, w.fetch)).keys()].filter((digest) => !pinned.has(digest))
  }
  t.true((await unpinned()).length > 5)
  const request = { node: true, signal: new AbortController().signal, onFinding: () => undefined }
  const check = (repair: boolean): ReturnType<typeof sync.check> =>
    sync.check({ ...request, repair, onProgress: () => undefined })
  t.true((await check(false)).open > 0)
  t.true((await unpinned()).length > 5)
  t.like(await check(true), { open: 0, lost: 0 })
  t.deepEqual(await unpinned(), [])
  t.like(await check(false), { open: 0, healed: 0, lost: 0 })
  await drive.remove('/a/same')
  await sync.syncNow()
  await assertCountsAreExact(t, w, device)
})
