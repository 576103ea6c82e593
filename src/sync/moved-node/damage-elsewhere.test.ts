import test from 'ava'
import { around } from '../../../test/support/sync/around.js'
import { VirtualClock } from '../../../test/support/virtual-clock.js'
import { World } from '../../../test/support/sync/world.js'
import { DriveError, sleep } from '../../base/index.js'
import { cidOf } from '../../dag/index.js'

const HOUR_MS = 3_600_000
const SETTINGS = { scrubBytesPerSecond: 10_000_000, scrubEveryMs: 1000 * HOUR_MS, pollMs: 10_000 * HOUR_MS }

test('S-178 damage found at a node is not reported at the next one, which is read from the beginning', async (t) => {
  const world = await World.open(970)
  const other = await world.openNode('other')
  t.teardown(async () => {
    await world.close()
    await other.close()
  })
  const clock = new VirtualClock()
  const until = async (isSo: () => boolean): Promise<void> => {
    for (let turn = 0; turn < 30_000 && !isSo(); turn++) {
      await clock.advance(1000)
      await sleep(1)
    }
    t.true(isSo())
  }
  const device = await world.firstDevice()
  for (let i = 0; i < 5; i++) await device.drive.write(`/file ${i}`, world.random.bytes(100_000))
  await (await device.start()).syncNow()
  await device.stop()
  const bad = new Set([...device.drive.evictable].map((digest) => cidOf(digest, 'raw')))
  const rotten = around(world.node, {
    getBlock: (cid, options) =>
      bad.has(cid) ? Promise.reject(new DriveError('WRONG_BLOCK', 'Rot.')) : world.node.getBlock(cid, options),
    importBlocks: () => Promise.reject(new DriveError('NODE_ERROR', 'Full.')),
  })
  let sync = await device.start({ clock, node: rotten, settings: SETTINGS })
  const check = (): Promise<unknown> =>
    sync.check({
      node: true,
      repair: false,
      signal: new AbortController().signal,
      onFinding: () => undefined,
      onProgress: () => undefined,
    })
  const isReported = (): boolean => /holds damaged copies/.test(sync.status().warnings.join(' '))
  await check()
  t.true(isReported())
  await device.drive.evict()
  t.true(device.drive.onlyCopies > 0, 'they are kept here')

  sync = await device.start({ clock, node: other, settings: SETTINGS, isProvisional: true })
  t.true(isReported(), 'the drive is still at its node')
  await sync.syncNow()
  sync.keepNode()
  await sync.syncNow()
  t.false(isReported(), 'it is at the other node')
  await until(() => sync.status().scrub.endedMs !== undefined)
  t.like(sync.status().scrub, { open: 0, lost: 0 })
  t.is(device.drive.onlyCopies, 0, 'the other node has returned them')

  sync = await device.start({ clock, node: rotten, settings: SETTINGS })
  await sync.syncNow()
  t.false(isReported(), 'nothing is known yet')
  await until(isReported)
  await device.stop()
})
