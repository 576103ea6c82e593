import test from 'ava'
import { tmpdir } from 'node:os'
import { requireKubo, testWithKubo } from '../../../test/kubo/require-kubo.js'
import { around } from '../../../test/support/sync/around.js'
import { World } from '../../../test/support/sync/world.js'
import { aborted, silentLog, systemClock } from '../../base/index.js'
import { openNode, type IpfsNode } from '../../node/index.js'

/** A node that searches for a missing block until the call is cancelled, as Kubo does for its time limit. */
function searching(node: IpfsNode, lost: Set<string>): IpfsNode {
  const search = (signal: AbortSignal | undefined): Promise<void> =>
    new Promise((_, reject) => signal?.addEventListener('abort', () => reject(aborted(signal)), { once: true }))
  return around(node, {
    importBlocks: async (blocks, options) => {
      const all = []
      for await (const block of blocks) {
        all.push(block)
        lost.delete(block.cid)
      }
      return node.importBlocks(all, options)
    },
    missing: (cids) => Promise.resolve(cids.filter((cid) => lost.has(cid))),
    updatePin: (from, to, options) => (lost.size > 0 ? search(options?.signal) : node.updatePin(from, to, options)),
    pin: (cid, options) => (lost.size > 0 ? search(options.signal) : node.pin(cid, options)),
  })
}

for (const isFirst of [true, false]) {
  test(`S-128 what a node lost between upload and pin is sent again while it still searches (${isFirst ? 'first' : 'next'} version)`, async (t) => {
    const w = await World.open(isFirst ? 970 : 971)
    t.teardown(() => w.close())
    const lost = new Set<string>()
    const seen = searching(w.node, lost)
    const sentTwice: string[] = []
    let isCollected = false
    const device = await w.firstDevice()
    if (!isFirst) await (await device.start()).syncNow()
    const node = around(seen, {
      importBlocks: async (blocks, options) => {
        const all = []
        for await (const block of blocks) all.push(block)
        const result = await seen.importBlocks(all, options)
        if (isCollected) sentTwice.push(...all.map(({ cid }) => cid))
        else for (const { cid } of all) lost.add(cid)
        isCollected = true
        return result
      },
    })
    const sync = await device.start({ node })
    await device.drive.write('/new', w.random.bytes(300_000))
    await sync.syncNow()
    t.is(lost.size, 0)
    t.true(sentTwice.length > 2)
    t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
  })
}

testWithKubo('S-128 a collection between upload and pin on a real Kubo: the rest is sent again at once', async (t) => {
  const kubo = await requireKubo(t)
  const w = await World.open(972, kubo.url)
  t.teardown(() => w.close())
  // Kubo searches for so long: longer than any test runs.
  const timeouts = { blockMs: 3_600_000, workMs: 3_600_000 }
  const random = w.random
  const real = await openNode(kubo.url, {
    dataDirectory: tmpdir(),
    clock: systemClock,
    log: silentLog,
    random,
    timeouts,
  })
  t.teardown(() => real.close())
  let collections = 0
  const collectOnce = async (): Promise<void> => {
    if (collections++ === 0) t.true((await real.collectGarbage()).removedBlocks > 2)
  }
  const device = await w.firstDevice()
  await device.drive.write('/old', w.random.bytes(300_000))
  await (await device.start()).syncNow()
  const node = around(real, {
    updatePin: async (from, to, options) => {
      await collectOnce()
      return real.updatePin(from, to, options)
    },
  })
  const sync = await device.start({ node })
  await device.drive.write('/new', w.random.bytes(300_000))
  await sync.syncNow()
  t.true(collections > 1)
  await real.collectGarbage()
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
})
