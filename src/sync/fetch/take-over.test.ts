import test from 'ava'
import { DriveError, isDriveError } from '../../base/index.js'
import { around } from '../../../test/support/sync/around.js'
import { dumpOf, publish, two } from '../../../test/support/sync/turns.js'
import { assertCountsAreExact, type Device } from '../../../test/support/sync/world.js'
import { cidOf } from '../../dag/index.js'
import { DriveNames } from '../heads/drive-names.js'
import { claimOpened } from './claim-opened.js'
import { findDrive, openExisting } from './open-existing.js'
import { world } from '../../../test/support/sync/take-over-world.js'

test("R-30 one person on two devices in turn: each device sees the other's version, and builds on it", async (t) => {
  const w = await world(t)
  const [a, b] = await two(w)
  let [here, there] = [b, a]
  for (let turn = 0; turn < 7; turn++) {
    await here.start()
    await here.drive.overwrite('/big', 4096 * (turn * 50 + 1), w.random.bytes(9000))
    await here.drive.write(`/new ${turn}`, w.random.bytes(30_000))
    await here.drive.write('/small', w.random.bytes(300 + turn))
    if (turn === 1) await here.drive.remove('/to be removed')
    if (turn === 2) await here.drive.remove('/twin')
    if (turn === 3) await here.drive.link('/folder/other twin', '/twin again')
    if (turn > 2) await here.drive.rename(`/new ${turn - 2}`, `/folder/moved ${turn}`)
    await publish(here)
    await assertCountsAreExact(t, w, here)
    const dump = await dumpOf(here)
    t.true(await there.takeOver(), `turn ${turn}`)
    t.deepEqual(await dumpOf(there), dump)
    t.false(await there.takeOver(), 'once')
    // The device that published last has nothing to take over.
    t.false(await here.takeOver())
    ;[here, there] = [there, here]
  }
})

test('a device may be many versions behind, and a fast-forward publishes nothing', async (t) => {
  const w = await world(t)
  const [a, b] = await two(w)
  const sync = await a.start()
  for (let i = 0; i < 9; i++) {
    await a.drive.write(`/file ${i}`, w.random.bytes(1000))
    await sync.syncNow()
  }
  const { root } = (await findDrive(w))!.version
  t.true(await b.takeOver())
  t.deepEqual(await dumpOf(b), await a.drive.dump())
  const other = await b.start()
  await other.syncNow()
  t.is(other.status().published?.height, (await findDrive(w))!.version.commit.height)
  t.deepEqual((await findDrive(w))!.version.root, root)
})

test('blocks that both versions use stay here; none counts as an only copy', async (t) => {
  const w = await world(t)
  const [a, b] = await two(w)
  await b.start()
  await b.drive.write('/from b', w.random.bytes(1000))
  await publish(b)
  const before = a.drive.blockCount
  t.true(await a.takeOver())
  t.is(a.drive.blockCount, before)
  t.is(a.drive.onlyCopies, 0)
  // The same bytes again: even if this home still has some of their blocks, the node gets the blocks it lacks.
  const body = w.random.bytes(70_000)
  await a.start()
  await a.drive.write('/again', body)
  await publish(a)
  t.deepEqual(await w.seenElsewhere(), await dumpOf(a))
  await assertCountsAreExact(t, w, a)
})

test('unpublished changes are never dropped: the newer version is not taken over, and sync reports the remedy', async (t) => {
  const w = await world(t)
  const [a, b] = await two(w)
  await b.start()
  await b.drive.write('/from b', w.random.bytes(1000))
  await publish(b)
  await a.start()
  await a.drive.write('/from a', w.random.bytes(1000))
  await a.drive.flush()
  const dump = await a.drive.dump()
  t.false(await a.takeOver())
  const sync = await a.start()
  const error = await t.throwsAsync(sync.syncNow())
  t.true(isDriveError(error, 'DIVERGED'))
  t.regex(
    error.message,
    /^Device "device 1" has published version \d+, .*there are unpublished changes here: .*need merging/,
  )
  t.regex(error.message, /unmount --now/)
  t.is(sync.status().phase, 'refused')
  t.deepEqual(await a.drive.dump(), dump)
  t.deepEqual(await w.seenElsewhere(), await dumpOf(b))
})

test('R-31 an older version is not taken over', async (t) => {
  const w = await world(t)
  const [a, b] = await two(w)
  const names = new DriveNames(w.keys)
  const old = await w.node.getName(names.drive)
  await b.start()
  await b.drive.write('/from b', w.random.bytes(1000))
  await publish(b)
  const dump = await dumpOf(b)
  t.true(await a.takeOver())
  const replaying = around(w.node, {
    getName: async (name, options) => (name === names.drive ? old : w.node.getName(name, options)),
  })
  t.true(isDriveError(await t.throwsAsync(a.takeOver({ node: replaying })), 'ROLLED_BACK'))
  const sync = await a.start({ node: replaying })
  t.true(isDriveError(await t.throwsAsync(sync.syncNow()), 'ROLLED_BACK'))
  t.deepEqual(await dumpOf(a), dump)
})

test('R-31 an own head that moves behind the one we left is detected', async (t) => {
  const w = await world(t)
  const [a, b] = await two(w)
  const own = new DriveNames(w.keys).device(a.slot)
  const old = await w.node.getName(own)
  await a.start()
  await a.drive.write('/more', w.random.bytes(1000))
  await publish(a)
  t.true(await b.takeOver())
  await b.start()
  await b.drive.write('/from b', w.random.bytes(1000))
  await publish(b)
  t.true(await a.takeOver())
  const replaying = around(w.node, {
    getName: async (name, options) => (name === own ? old : w.node.getName(name, options)),
  })
  t.true(isDriveError(await t.throwsAsync((await a.start({ node: replaying })).syncNow()), 'ROLLED_BACK'))
  await (await a.start()).syncNow()
  t.pass()
})

test('a head names the last version of this device as its merge base, whatever the node has collected', async (t) => {
  const w = await world(t)
  const [a, b] = await two(w)
  await b.start()
  await b.drive.write('/from b', w.random.bytes(1000))
  await publish(b)
  t.true(await a.takeOver())
  const sync = await a.start()
  for (let i = 0; i < 9; i++) {
    await a.drive.write(`/file ${i}`, w.random.bytes(1000))
    await sync.syncNow()
  }
  await w.node.collectGarbage()
  t.true(await b.takeOver())
  t.deepEqual(await dumpOf(b), await a.drive.dump())
})

test('superseded heads of other devices do not matter, although the node has collected their versions', async (t) => {
  const w = await world(t)
  const [a, b] = await two(w)
  const c = await w.nextDevice()
  const turn = async (device: Device, name: string): Promise<void> => {
    await device.takeOver()
    await device.start()
    await device.drive.write(name, w.random.bytes(1000))
    await publish(device)
  }
  for (const device of [c, b, a, b, c]) await turn(device, '/before')
  await turn(b, '/from b')
  await turn(c, '/from c')
  await w.node.collectGarbage()
  t.true(await a.takeOver())
  t.deepEqual(await dumpOf(a), await dumpOf(c))
  const sync = await a.start()
  await sync.syncNow()
  t.is(sync.status().lastError, undefined)
  await turn(a, '/from a')
  t.deepEqual(await w.seenElsewhere(), await dumpOf(a))
})

test('a version whose descent from ours is gone from the node is not taken over, however high it claims to be', async (t) => {
  const w = await world(t)
  const [, b] = await two(w)
  await b.start()
  await b.drive.write('/one', w.random.bytes(1000))
  await publish(b)
  const c = await w.nextDevice()
  await publish(c)
  // b has not heard of c, so its commits do not name where c is.
  const own = new DriveNames(w.keys).device(c.slot)
  const unheard = around(w.node, {
    getName: async (name, options) =>
      name === own ? Promise.reject(new DriveError('NOT_FOUND', 'unheard')) : w.node.getName(name, options),
  })
  const sync = await b.start({ node: unheard })
  const between = new Set<string>()
  for (let i = 0; i < 7; i++) {
    await b.drive.write(`/two ${i}`, w.random.bytes(1000))
    await sync.syncNow()
    if (i < 3) between.add(cidOf((await findDrive(w))!.version.root, 'dag-pb'))
  }
  const dump = await dumpOf(c)
  const forgetful = around(w.node, {
    getBlock: async (cid, options) =>
      between.has(cid) ? Promise.reject(new DriveError('NOT_FOUND', 'gone')) : w.node.getBlock(cid, options),
  })
  t.true(isDriveError(await t.throwsAsync(c.takeOver({ node: forgetful })), 'DIVERGED'))
  t.deepEqual(await dumpOf(c), dump)
  t.true(await c.takeOver())
})

test('S-126 a device that opens a drive has its slot at once: the next one takes another, with or without a publish', async (t) => {
  const w = await world(t)
  await two(w)
  const opened = await openExisting(w)
  await claimOpened(w, opened)
  const next = await openExisting(w)
  t.is(next.deviceSlot, opened.deviceSlot + 1)
  const unable = around(w.node, { putName: async () => Promise.reject(new DriveError('OFFLINE', 'away')) })
  t.true(isDriveError(await t.throwsAsync(claimOpened({ node: unable, keys: w.keys }, next)), 'OFFLINE'))
  const deaf = around(w.node, { putName: async () => undefined })
  await t.throwsAsync(claimOpened({ node: deaf, keys: w.keys }, next))
})
