/** A node that damages what it is given, returns damaged bytes, or cannot read its blocks. */
import test from 'ava'
import { around } from '../../../test/support/sync/around.js'
import { VirtualClock } from '../../../test/support/virtual-clock.js'
import { World } from '../../../test/support/sync/world.js'
import { DriveError, sleep } from '../../base/index.js'
import { cidOf, parseCid } from '../../dag/index.js'
import type { CidText } from '../../node/index.js'
import { check, lying, drive, fill, rotting, versionBlocks } from '../../../test/support/sync/rotten.js'

const CLEAN = { open: 0, healed: 0, lost: 0 }
const HOUR_MS = 3_600_000
const SETTINGS = { scrubBytesPerSecond: 10_000_000, scrubEveryMs: HOUR_MS, pollMs: 100 * HOUR_MS, debounceMs: 1000 }

test('S-097 a node that damages whatever it is given is not sent the same again for ever: status says so, and a repair by hand tries again', async (t) => {
  const world = await World.open(960)
  t.teardown(() => world.close())
  const device = await world.firstDevice()
  await device.drive.write('/file', world.random.bytes(200_000))
  await (await device.start()).syncNow()
  await device.stop()
  const clock = new VirtualClock()
  const damaged = new Set<CidText>()
  let isSpoiling = true
  let [sent, reads] = [0, 0]
  const node = around(world.node, {
    getBlock: async (cid, options) => {
      reads++
      if (damaged.has(cid)) throw new DriveError('WRONG_BLOCK', 'Rot.', { about: { cid } })
      return world.node.getBlock(cid, options)
    },
    importBlocks: async (blocks, options) => {
      const all = []
      for await (const block of blocks) all.push(block)
      for (const { cid, bytes } of all) {
        if (bytes.length > 50_000) sent++
        if (isSpoiling) damaged.add(cid)
        else damaged.delete(cid)
      }
      return world.node.importBlocks(all, options)
    },
  })
  for (const digest of device.drive.evictable) damaged.add(cidOf(digest, 'raw'))
  let sync = await device.start({ clock, node, settings: SETTINGS })
  const isUseless = (): boolean => /cannot be used for storage/.test(sync.status().warnings.join(' '))
  const pass = async (hours: number): Promise<void> => {
    for (let at = 0; at < hours * 4; at++) {
      await clock.advance(HOUR_MS / 4)
      for (let turn = 0; turn < 15; turn++) await sleep(1).then(() => clock.advance(1100))
    }
  }
  for (let hour = 0; hour < 40 && !isUseless(); hour++) await pass(1)
  t.true(isUseless(), sync.status().warnings.join(' '))
  t.true(sent >= 2, 'it was tried')
  await pass(2)
  const before = { sent, reads }
  await pass(4)
  t.is(sent, before.sent, 'no content is sent any more')
  t.true(reads > before.reads, 'it is still looked at')
  await device.stop()
  sync = await device.start({ clock, node, settings: SETTINGS })
  t.true(isUseless(), 'also after a restart')
  isSpoiling = false
  const signal = new AbortController().signal
  await sync.check({ node: true, repair: true, signal, onFinding: () => undefined, onProgress: () => undefined })
  t.true(sent > before.sent)
  t.false(isUseless())
  t.is(sync.status().scrub.open, 0)
  await device.stop()
})

test('S-031 S-074 blocks that the node returned damaged stay in the cache, including resealed and published ones', async (t) => {
  const { world, device } = await drive(t, 907)
  await fill(world, device)
  const state = { isLying: false }
  const node = lying(world.node, state)
  await device.close()
  await device.open(() => ({ node }))
  await device.write('/later', 0, world.random.bytes(5_000))
  await device.sync.syncNow()
  const expected = await device.dump()
  state.isLying = true
  for (let round = 0; round < 3; round++) {
    const report = await check(device, { node: true, repair: true })
    t.true(report.open > 0 && report.lost === 0, JSON.stringify(report.findings))
    await device.write('/later', 0, world.random.bytes(5_000))
    await device.sync.syncNow()
    await device.port.evictTo(0)
    t.deepEqual({ ...(await device.dump()), '/later': '' }, { ...expected, '/later': '' }, String(round))
  }
  state.isLying = false
  t.like(await check(device, { node: true, repair: true }), { open: 0, lost: 0 })
  await device.port.evictTo(0)
  t.like(await check(device, { node: true }), CLEAN)
  t.deepEqual({ ...(await device.dump()), '/later': '' }, { ...expected, '/later': '' })
})

test('S-072 R-77 a block that the node fails to read is reported and repaired, and the check continues', async (t) => {
  const { world, device } = await drive(t, 908)
  await fill(world, device)
  const rotten = new Set<CidText>()
  const node = rotting(world.node, rotten, 'NODE_ERROR')
  await device.close()
  await device.open(() => ({ node }))
  const blocks = await versionBlocks(world)
  for (const cid of blocks.filter((_, i) => i % 9 === 5)) rotten.add(cid)
  t.true((await check(device, { node: true })).open > 0)
  t.like(await check(device, { node: true, repair: true }), { open: 0, lost: 0 })
  t.like(await check(device, { node: true }), CLEAN)
})

test('S-072 if the node can read none of its blocks, the check fails and records no damage', async (t) => {
  const { world, device } = await drive(t, 909)
  await fill(world, device)
  const state = { isBroken: true }
  const node = around(world.node, {
    getBlock: (cid, options) =>
      state.isBroken && parseCid(cid).codec === 'raw'
        ? Promise.reject(new DriveError('NODE_ERROR', 'No disk.'))
        : world.node.getBlock(cid, options),
  })
  await device.close()
  await device.open(() => ({ node }))
  const before = await versionBlocks(world)
  await t.throwsAsync(check(device, { node: true, repair: true }), { message: 'No disk.' })
  t.deepEqual(await versionBlocks(world), before)
  state.isBroken = false
  t.like(await check(device, { node: true }), CLEAN)
})
