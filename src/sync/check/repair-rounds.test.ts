import test from 'ava'
import { around } from '../../../test/support/sync/around.js'
import { VirtualClock } from '../../../test/support/virtual-clock.js'
import { World } from '../../../test/support/sync/world.js'
import { DriveError, sleep } from '../../base/index.js'
import { cidOf } from '../../dag/index.js'
import type { CidText } from '../../node/index.js'

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
