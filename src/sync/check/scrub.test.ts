import test, { type ExecutionContext } from 'ava'
import { around } from '../../../test/support/sync/around.js'
import { RealDevice } from '../../../test/support/sync/real-device.js'
import { World, type Device } from '../../../test/support/sync/world.js'
import { VirtualClock } from '../../../test/support/virtual-clock.js'
import { DriveError, sleep } from '../../base/index.js'
import { cidOf, parseCid } from '../../dag/index.js'
import type { CidText, IpfsNode } from '../../node/index.js'
import type { Sync } from '../contract.js'

const RATE = 64 * 1024
const SETTINGS = { scrubBytesPerSecond: RATE, scrubEveryMs: 24 * 3_600_000, pollMs: 3_600_000 }

interface Read {
  readonly cid: CidText
  readonly bytes: number
  readonly atMs: number
}

interface Scrubbed {
  readonly world: World
  readonly device: Device
  readonly clock: VirtualClock
  readonly reads: Read[]
  readonly rotten: Set<CidText>
  readonly node: IpfsNode
  readonly start: () => Promise<Sync>
}

/** A published drive, and a node that records each read and its time. */
async function scrubbed(t: ExecutionContext, seed: number): Promise<Scrubbed> {
  const world = await World.open(seed)
  t.teardown(() => world.close())
  const device = await world.firstDevice()
  for (let i = 0; i < 12; i++) await device.drive.write(`/file ${i}`, world.random.bytes(100_000))
  await (await device.start()).syncNow()
  await device.stop()
  const clock = new VirtualClock()
  const reads: Read[] = []
  const rotten = new Set<CidText>()
  const node = around(world.node, {
    getBlock: async (cid, options) => {
      if (rotten.has(cid)) throw new DriveError('NOT_FOUND', 'Gone.')
      const bytes = await world.node.getBlock(cid, options)
      reads.push({ cid, bytes: bytes.length, atMs: clock.monotonicMs() })
      return bytes
    },
    importBlocks: async (blocks, options) => {
      const all = []
      for await (const block of blocks) all.push(block)
      for (const { cid } of all) rotten.delete(cid)
      return world.node.importBlocks(all, options)
    },
  })
  return { world, device, clock, reads, rotten, node, start: () => device.start({ clock, node, settings: SETTINGS }) }
}

/** Advances the clock until the condition holds. Disk reads take real time. */
async function until(clock: VirtualClock, isSo: () => boolean): Promise<boolean> {
  for (let turn = 0; turn < 30_000 && !isSo(); turn++) {
    await clock.advance(100)
    await sleep(1)
  }
  return isSo()
}

test('S-074 R-77 the scrub reads the whole version within its rate, and then pauses for a day', async (t) => {
  const { clock, reads, start, device } = await scrubbed(t, 910)
  const sync = await start()
  t.true(await until(clock, () => sync.status().scrub.endedMs !== undefined))
  const { checked, open, lost } = sync.status().scrub
  t.deepEqual([open, lost], [0, 0])
  t.true(checked >= 20, String(checked))
  let [bytes, most] = [0, 0]
  for (const { atMs, bytes: read } of reads) {
    t.true(bytes <= ((atMs - reads[0]!.atMs) * RATE) / 1000, `${bytes} bytes were read before ${atMs} ms`)
    bytes += read
    most = Math.max(most, read)
  }
  t.true(bytes > 1_200_000 && most > 100_000)
  const count = reads.length
  await clock.advance(12 * 3_600_000)
  await sleep(20)
  t.is(reads.length, count, 'it pauses')
  await device.stop()
})

test('S-074 the scrub starts with the blocks that are evicted next, and continues at its position after a restart', async (t) => {
  const { clock, reads, start, device } = await scrubbed(t, 911)
  const first = await start()
  const { digests } = await device.drive.port.nextEvicted(0, 4)
  t.true(await until(clock, () => first.status().scrub.checked > 0))
  const { checked } = first.status().scrub
  t.is(first.status().scrub.endedMs, undefined, 'the pass has not ended')
  t.is(digests.length, 4)
  await device.stop()
  const before = reads.length
  const second = await start()
  t.is(second.status().scrub.checked, checked)
  t.true(await until(clock, () => second.status().scrub.endedMs !== undefined))
  const again = reads.slice(before).filter(({ cid }) => reads.slice(0, before).some((one) => one.cid === cid))
  t.true(again.length < before / 2, `${again.length} of ${before} read twice`)
  await device.stop()
})

test('S-074 R-77 the scrub sends a block again that the node lost; status counts damaged and lost blocks', async (t) => {
  const { clock, reads, rotten, start, device } = await scrubbed(t, 912)
  let sync = await start()
  t.true(await until(clock, () => sync.status().scrub.endedMs !== undefined))
  await device.stop()
  const leaves = [...new Set(reads.filter(({ bytes }) => bytes > 50_000).map(({ cid }) => cid))]
  t.true(leaves.length >= 12)
  const [here, gone] = [leaves[0]!, leaves[1]!]
  rotten.add(here)
  rotten.add(gone)
  device.drive.lose(parseCid(gone).digest)
  await clock.advance(25 * 3_600_000)
  sync = await start()
  t.true(await until(clock, () => sync.status().scrub.lost === 1 && !sync.status().scrub.isRunning))
  t.deepEqual([...rotten], [gone], 'the other block was sent again')
  t.is(sync.status().scrub.open, 0)
  t.regex(sync.status().warnings.join('\n'), /lacks 1 block/)
  await device.stop()
})

test('S-074 S-075 eviction does not wait for a check, and skips blocks whose copy on the node is damaged', async (t) => {
  const world = await World.open(913)
  t.teardown(() => world.close())
  const device = await RealDevice.first(world)
  t.teardown(async () => {
    await device.close()
    device.remove()
  })
  await device.write('/file', 0, world.random.bytes(2_000_000))
  await device.sync.syncNow()
  const { cacheEvictableBytes } = await device.port.counts()
  t.true(cacheEvictableBytes > 2_000_000)
  const { digests } = await device.port.nextEvicted(0, 100)
  const bad = cidOf(digests[0]!, 'raw')
  let isStuck = false
  let isRotten = true
  const node = around(world.node, {
    getBlock: (cid, options) => {
      if (isStuck) return sleep(600_000, options?.signal).then(() => world.node.getBlock(cid, options))
      if (isRotten && cid === bad) return Promise.reject(new DriveError('WRONG_BLOCK', 'Rot.'))
      return world.node.getBlock(cid, options)
    },
  })
  await device.close()
  await device.open(() => ({ node }))
  const check = (repair: boolean): Promise<unknown> =>
    device.sync.check({
      node: true,
      repair,
      signal: new AbortController().signal,
      onFinding: () => undefined,
      onProgress: () => undefined,
    })
  await check(false)
  isStuck = true
  const stuck = check(false)
  await device.port.evictTo(0)
  const left = await device.port.readBlocks(digests)
  t.deepEqual(
    left.map((bytes) => bytes !== undefined),
    digests.map((_, i) => i === 0),
  )
  await device.sync.close()
  await t.throwsAsync(stuck)
  isStuck = false
  await device.close()
  await device.open(() => ({ node }))
  isRotten = false
  await check(true)
  await device.port.evictTo(0)
  t.deepEqual(await device.port.readBlocks([digests[0]!]), [undefined])
})
