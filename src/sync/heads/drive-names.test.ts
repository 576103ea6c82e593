import test, { type ExecutionContext } from 'ava'
import { isDriveError } from '../../base/index.js'
import { around } from '../../../test/support/sync/around.js'
import { MemoryEnvironment } from '../../../test/support/sync/memory-environment.js'
import { World, type Device } from '../../../test/support/sync/world.js'
import { DriveNames } from './drive-names.js'
import { findDrive, openExisting } from '../fetch/open-existing.js'

let seed = 100
async function world(t: ExecutionContext): Promise<World> {
  const opened = await World.open(seed++)
  t.teardown(() => opened.close())
  return opened
}

async function published(w: World): Promise<Device> {
  const device = await w.firstDevice()
  await device.drive.write('/shared', w.random.bytes(100_000))
  await (await device.start()).syncNow()
  return device
}

test('of two writers on one version the second is refused, and nothing of either is lost', async (t) => {
  const w = await world(t)
  const first = await published(w)
  const second = await w.nextDevice()
  const secondSync = await second.start()
  await first.drive.write('/from the first', w.random.bytes(1000))
  await second.drive.write('/from the second', w.random.bytes(1000))
  await (await first.start()).syncNow()
  const head = (await findDrive(w))!.version
  const error = await t.throwsAsync(secondSync.syncNow())
  t.true(isDriveError(error, 'DIVERGED'))
  t.regex(error.message, /^Device "device 0" has published version 2, .*need merging/)
  t.is(secondSync.status().phase, 'refused')
  t.is(secondSync.status().lastError?.code, 'DIVERGED')
  t.deepEqual((await findDrive(w))!.version.root, head.root)
  t.deepEqual(await w.seenElsewhere(), await first.drive.dump())
  t.is((await second.drive.counts()).dirtyInodes, 2)
  t.not(await second.drive.find('/from the second'), undefined)
})

test('a device that was away is refused when another device published on top of its version', async (t) => {
  const w = await world(t)
  const first = await published(w)
  const second = await w.nextDevice()
  const secondSync = await second.start()
  await second.drive.write('/newer', w.random.bytes(1000))
  await secondSync.syncNow()
  await first.drive.write('/older', w.random.bytes(1000))
  const error = await t.throwsAsync((await first.start()).syncNow())
  t.true(isDriveError(error, 'DIVERGED'))
  t.deepEqual(await w.seenElsewhere(), await second.drive.dump())
})

test('two devices that chose the same slot do not overwrite each other', async (t) => {
  const w = await world(t)
  await published(w)
  const a = await w.nextDevice()
  const b = await w.nextDevice()
  t.is(a.slot, b.slot)
  const [syncOfA, syncOfB] = [await a.start(), await b.start()]
  await a.drive.write('/a', w.random.bytes(1000))
  await b.drive.write('/b', w.random.bytes(1000))
  await syncOfA.syncNow()
  const error = await t.throwsAsync(syncOfB.syncNow())
  t.true(isDriveError(error, 'DIVERGED'))
  t.deepEqual(await w.seenElsewhere(), await a.drive.dump())
})

test('R-31 a head older than one already seen stops sync', async (t) => {
  const w = await world(t)
  const names = new DriveNames(w.keys)
  const device = await published(w)
  const old = await w.node.getName(names.drive)
  await device.drive.write('/more', w.random.bytes(1000))
  await (await device.start()).syncNow()
  await device.drive.write('/even more', w.random.bytes(1000))
  const replaying = around(w.node, {
    getName: async (name, options) => (name === names.drive ? old : w.node.getName(name, options)),
  })
  const sync = await device.start({ node: replaying })
  const error = await t.throwsAsync(sync.syncNow())
  t.true(isDriveError(error, 'ROLLED_BACK'))
  t.is(sync.status().phase, 'refused')
  await (await device.start()).syncNow()
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
})

test('a record with a foreign signature is rejected', async (t) => {
  const w = await world(t)
  await published(w)
  const other = await World.open(seed++)
  t.teardown(() => other.close())
  await published(other)
  const foreign = await other.node.getName(new DriveNames(other.keys).drive)
  const error = await t.throwsAsync(findDrive({ keys: w.keys, node: around(w.node, { getName: async () => foreign }) }))
  t.true(isDriveError(error, 'CORRUPT'))
})

test('a device that lost its queue continues from the published version', async (t) => {
  const w = await world(t)
  const device = await published(w)
  await device.drive.write('/shared', w.random.bytes(50_000))
  await (await device.start({ queue: new MemoryEnvironment() })).syncNow()
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
  t.is((await findDrive(w))!.version.commit.height, 2)
})

test('a device that stopped before the first write of its queue continues from the version it opened', async (t) => {
  const w = await world(t)
  await published(w)
  const next = await w.nextDevice()
  const sync = await next.start({ start: undefined })
  await next.drive.write('/an answer', w.random.bytes(1000))
  await sync.syncNow()
  t.deepEqual(await w.seenElsewhere(), await next.drive.dump())
})

test('a new drive is not published over one the node already holds under the same keys', async (t) => {
  const w = await world(t)
  const first = await published(w)
  const stranger = await w.firstDevice()
  await stranger.drive.write('/stranger', w.random.bytes(100))
  const error = await t.throwsAsync((await stranger.start()).syncNow())
  t.true(isDriveError(error, 'DIVERGED'))
  t.deepEqual(await w.seenElsewhere(), await first.drive.dump())
})

test('a version of a device that was lost between the moves of its own head and the drive name is found by the next device', async (t) => {
  const w = await world(t)
  const names = new DriveNames(w.keys)
  const device = await published(w)
  await device.drive.write('/last words', w.random.bytes(1000))
  const dying = around(w.node, {
    putName: async (name, record, options) => {
      if (name === names.drive) throw new Error('gone')
      await w.node.putName(name, record, options)
    },
  })
  await t.throwsAsync((await device.start({ node: dying })).syncNow())
  await device.stop()
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
  const next = await w.nextDevice()
  const sync = await next.start()
  await next.drive.write('/an answer', w.random.bytes(1000))
  await sync.syncNow()
  t.deepEqual(await w.seenElsewhere(), await next.drive.dump())
})

test('a version of a device that was lost before the first put of the drive name is found by the next device', async (t) => {
  const w = await world(t)
  const names = new DriveNames(w.keys)
  const device = await w.firstDevice()
  await device.drive.write('/first words', w.random.bytes(1000))
  const dying = around(w.node, {
    putName: async (name, record, options) => {
      if (name === names.drive) throw new Error('gone')
      await w.node.putName(name, record, options)
    },
  })
  await t.throwsAsync((await device.start({ node: dying })).syncNow())
  await device.stop()
  const next = await w.nextDevice()
  const sync = await next.start()
  await next.drive.write('/an answer', w.random.bytes(1000))
  await sync.syncNow()
  t.deepEqual(await w.seenElsewhere(), await next.drive.dump())
  t.true('/first words' in (await next.drive.dump()))
})

test('a node that replays an old drive name cannot roll a new device back behind the device heads', async (t) => {
  const w = await world(t)
  const names = new DriveNames(w.keys)
  const device = await published(w)
  const old = await w.node.getName(names.drive)
  const sync = await device.start()
  for (let i = 0; i < 3; i++) {
    await device.drive.write(`/more ${i}`, w.random.bytes(1000))
    await sync.syncNow()
  }
  const replaying = around(w.node, {
    getName: async (name, options) => (name === names.drive ? old : w.node.getName(name, options)),
  })
  const opened = await openExisting({ keys: w.keys, node: replaying })
  t.deepEqual(opened.version.root, (await openExisting({ keys: w.keys, node: w.node })).version.root)
})

for (const order of ['before its own head', 'before the drive name', 'after the drive name'] as const) {
  test(`S-032 of two devices that publish at the same time at most one succeeds: the second comes ${order}`, async (t) => {
    const w = await world(t)
    const names = new DriveNames(w.keys)
    const first = await published(w)
    const second = await w.nextDevice()
    const secondSync = await second.start()
    await secondSync.syncNow()
    await first.drive.write('/from the first', w.random.bytes(10_000))
    await second.drive.write('/from the second', w.random.bytes(10_000))
    let ofSecond: boolean | undefined
    const publishSecond = async (): Promise<void> => {
      ofSecond ??= await secondSync.syncNow().then(
        () => true,
        () => false,
      )
    }
    const interleaved = around(w.node, {
      putName: async (name, record, options) => {
        if (order === 'before its own head' && name === names.device(0)) await publishSecond()
        if (order === 'before the drive name' && name === names.drive) await publishSecond()
        await w.node.putName(name, record, options)
        if (order === 'after the drive name' && name === names.drive) await publishSecond()
      },
    })
    const sync = await first.start({ node: interleaved })
    const ofFirst = await sync.syncNow().then(
      () => true,
      () => false,
    )
    t.not(ofSecond, undefined)
    t.true([ofFirst, ofSecond].filter((isPublished) => isPublished === true).length <= 1)
    const seen = await w.seenElsewhere()
    if (ofFirst) t.true('/from the first' in seen)
    if (ofSecond === true) t.true('/from the second' in seen)
    const refused = ofFirst ? second : first
    t.true(refused.drive.onlyCopies > 0, 'refused changes stay here')
    await w.node.collectGarbage()
    t.deepEqual(await w.seenElsewhere(), seen)
  })
}
