/** A node that lost all it had: what this machine has is sent again, and the status says what is lost. */
import test, { type ExecutionContext } from 'ava'
import { isDriveError } from '../../base/index.js'
import { assertCountsAreExact, World, type Device } from '../../../test/support/sync/world.js'
import { findDrive } from '../fetch/open-existing.js'

let seed = 200
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

test('an emptied node gets the whole version again, and until then the status says that it lacks it', async (t) => {
  const w = await world(t)
  const device = await published(w)
  for (let i = 0; i < 20; i++) await device.drive.write(`/file ${i}`, w.random.bytes(20_000))
  await (await device.start()).syncNow()
  await device.stop()
  await w.node.close()
  w.node = await w.openNode('another')
  const sync = await device.start()
  const lost = new Set<string>()
  await sync.syncNow({ onProgress: ({ phase, isLostByNode }) => isLostByNode && lost.add(phase) })
  t.deepEqual([...lost], ['restoring', 'naming'])
  t.false(sync.status().isLostByNode)
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
  await device.drive.write('/later', w.random.bytes(1000))
  await sync.syncNow()
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
  await assertCountsAreExact(t, w, device)
})

test('a device that only opened the drive reports a node that lacks the version', async (t) => {
  const w = await world(t)
  const first = await published(w)
  await first.stop()
  const next = await w.nextDevice()
  await (await next.start()).syncNow()
  await next.stop()
  await w.node.close()
  w.node = await w.openNode('another')
  const error = await t.throwsAsync((await next.start()).syncNow())
  t.true(isDriveError(error, 'NOT_FOUND'))
})

test('an emptied node and evicted blocks: the loss is reported, nothing is published', async (t) => {
  const w = await world(t)
  const device = await published(w)
  await device.stop()
  await device.drive.evict()
  await w.node.close()
  w.node = await w.openNode('another')
  const sync = await device.start()
  const error = await t.throwsAsync(sync.syncNow())
  t.true(isDriveError(error, 'NOT_FOUND'))
  t.true(sync.status().isLostByNode)
  t.is(await findDrive(w), undefined)
})
