import test, { type ExecutionContext } from 'ava'
import { isDriveError } from '../../base/index.js'
import { findDrive, openExisting } from '../fetch/open-existing.js'
import { assertCountsAreExact, World } from '../../../test/support/sync/world.js'

let seed = 1
async function world(t: ExecutionContext): Promise<World> {
  const opened = await World.open(seed++)
  t.teardown(() => opened.close())
  return opened
}

test('an empty drive is published, and found by its keys alone', async (t) => {
  const w = await world(t)
  t.is(await findDrive(w), undefined)
  const device = await w.firstDevice()
  const sync = await device.start()
  await sync.syncNow()
  const found = await findDrive(w)
  t.is(found?.version.commit.height, 1)
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
  t.is(sync.status().phase, 'idle')
})

test('NO_DRIVE when the node knows no head', async (t) => {
  const w = await world(t)
  const error = await t.throwsAsync(openExisting(w))
  t.true(isDriveError(error, 'NO_DRIVE'))
})

test('a tree of every kind of file appears unchanged on a second device', async (t) => {
  const w = await world(t)
  const device = await w.firstDevice()
  const { drive } = device
  await drive.makeDirectory('/empty')
  await drive.makeDirectory('/docs')
  await drive.makeDirectory('/docs/deep')
  await drive.write('/docs/small', Buffer.from('hello'))
  await drive.write('/docs/some', w.random.bytes(900_000))
  await drive.write('/docs/long', w.random.bytes(6_000_000))
  await drive.write('/docs/deep/staged', w.random.bytes(500_000), 'pages')
  await drive.write('/docs/deep/tiny', w.random.bytes(1500), 'pages')
  await drive.write('/docs/deep/none', new Uint8Array(0))
  await drive.makeSymlink('/docs/link', 'deep/staged')
  await drive.write('/twin-a', w.random.bytes(300_000))
  await drive.link('/twin-a', '/docs/twin-b')
  const same = w.random.bytes(200_000)
  for (let i = 0; i < 30; i++) await drive.write(`/copy ${i}`, same)
  for (let i = 0; i < 400; i++)
    await drive.write(`/docs/file ${i} with a rather long name ${'x'.repeat(i % 100)}`, w.random.bytes(100))
  const sync = await device.start()
  await sync.syncNow()
  t.deepEqual(await w.seenElsewhere(), await drive.dump())
  await sync.syncNow()
  await assertCountsAreExact(t, w, device)
})

test('changes of every kind are published on top, and only used blocks are kept', async (t) => {
  const w = await world(t)
  const device = await w.firstDevice()
  const { drive } = device
  for (const name of ['a', 'b', 'c', 'd']) await drive.makeDirectory(`/${name}`)
  await drive.write('/a/one', w.random.bytes(3_000_000))
  await drive.write('/a/two', w.random.bytes(5_000_000))
  await drive.write('/b/three', w.random.bytes(50_000))
  await drive.link('/b/three', '/c/three')
  await drive.write('/b/four', w.random.bytes(700_000))
  const sync = await device.start()
  await sync.syncNow()
  const steps: [string, () => Promise<void>][] = [
    ['overwrite in the middle', () => drive.overwrite('/a/one', 4096 * 100, w.random.bytes(9000))],
    ['overwrite fixed chunks', () => drive.overwrite('/a/two', 4096 * 200, w.random.bytes(4096))],
    ['grow', () => drive.overwrite('/a/two', 4096 * 2000, w.random.bytes(300_000))],
    ['chmod a linked file', () => drive.chmod('/b/three', 0o600)],
    ['unlink one of two', () => drive.remove('/c/three')],
    ['rename', () => drive.rename('/b/four', '/d/four')],
    ['rename over', () => drive.rename('/a/one', '/d/four')],
    ['rename a directory', () => drive.rename('/d', '/c/d')],
    ['remove a long file', () => drive.remove('/a/two')],
    ['remove an empty directory', () => drive.remove('/a')],
    ['rewrite', () => drive.write('/b/three', w.random.bytes(60_000))],
  ]
  for (const [what, step] of steps) {
    await step()
    await sync.syncNow()
    t.deepEqual(await w.seenElsewhere(), await drive.dump(), what)
  }
  await sync.syncNow()
  await assertCountsAreExact(t, w, device)
})

test('a second device continues where the first stopped, with exact refcounts', async (t) => {
  const w = await world(t)
  const first = await w.firstDevice()
  await first.drive.makeDirectory('/a')
  await first.drive.write('/a/long', w.random.bytes(6_000_000))
  await first.drive.write('/a/other', w.random.bytes(6_000_000))
  await first.drive.write('/twin', w.random.bytes(100_000))
  await first.drive.link('/twin', '/a/twin')
  const sync = await first.start()
  await sync.syncNow()
  await first.stop()
  const second = await w.nextDevice()
  t.is(second.slot, 1)
  const { drive } = second
  const secondSync = await second.start()
  await drive.remove('/a/long')
  await drive.overwrite('/a/other', 4096, w.random.bytes(4096))
  await drive.chmod('/twin', 0o640)
  await secondSync.syncNow()
  t.deepEqual(await w.seenElsewhere(), await drive.dump())
  await secondSync.syncNow()
  await assertCountsAreExact(t, w, second)
  t.is((await w.nextDevice()).slot, 2)
})
