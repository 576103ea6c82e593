import test, { type ExecutionContext } from 'ava'
import { DriveError, isDriveError, sleep, systemClock } from '../../base/index.js'
import { around } from '../../../test/support/sync/around.js'
import { World, type Device } from '../../../test/support/sync/world.js'
import type { NodeBlock } from '../../node/index.js'
import type { Sync, SyncPhase } from '../contract.js'
import { DriveNames } from '../heads/heads.js'

let seed = 300
async function started(
  t: ExecutionContext,
  settings: NonNullable<Parameters<Device['start']>[0]>['settings'],
  node?: (w: World) => NonNullable<Parameters<Device['start']>[0]>['node'],
): Promise<{ w: World; device: Device; sync: Sync }> {
  const w = await World.open(seed++)
  t.teardown(() => w.close())
  const device = await w.firstDevice()
  const wrapped = node?.(w)
  const sync = await device.start({ settings: { pollMs: 10, ...settings }, ...(wrapped && { node: wrapped }) })
  return { w, device, sync }
}

async function until(condition: () => boolean, ms = 5000): Promise<void> {
  for (let waited = 0; !condition(); waited += 5) {
    if (waited > ms) throw new Error('waited too long')
    await sleep(5)
  }
}

const edit = async (w: World, { drive }: Device): Promise<void> => {
  await drive.write('/file', w.random.bytes(100))
  drive.lastChangeMs = systemClock.nowMs()
}

test('R-13 a change is published by itself after the debounce, not before', async (t) => {
  const { w, device, sync } = await started(t, { debounceMs: 300 })
  await until(() => sync.status().published?.height === 1)
  await edit(w, device)
  const begin = performance.now()
  await sleep(150)
  t.is(sync.status().published?.height, 1)
  t.is(sync.status().phase, 'waiting')
  await until(() => sync.status().published?.height === 2)
  t.true(performance.now() - begin >= 290)
})

test('the first version of a new drive waits for the debounce like any other, once there is more than the root', async (t) => {
  const w = await World.open(seed++)
  t.teardown(() => w.close())
  const device = await w.firstDevice()
  await edit(w, device)
  const sync = await device.start({ settings: { pollMs: 10, debounceMs: 500 } })
  await until(() => sync.status().published !== undefined)
  const { height, timeMs } = sync.status().published!
  t.is(height, 1)
  t.true(timeMs - device.drive.lastChangeMs >= 500)
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
})

test('an empty new drive is published at once', async (t) => {
  const { sync } = await started(t, { debounceMs: 3_600_000, maxDelayMs: 3_600_000 })
  await until(() => sync.status().published?.height === 1)
  t.pass()
})

test('R-63 on a full disk a change is published at once, and then not all the time', async (t) => {
  const { w, device, sync } = await started(t, {
    debounceMs: 3_600_000,
    maxDelayMs: 3_600_000,
    spaceRetryMs: 400,
  })
  await until(() => sync.status().published?.height === 1)
  await edit(w, device)
  await sleep(100)
  t.is(sync.status().published?.height, 1)
  device.drive.isShortOfSpace = true
  await until(() => sync.status().published?.height === 2)
  const times = [sync.status().published!.timeMs]
  // A program that does not give up.
  while (times.length < 4) {
    await edit(w, device)
    await sleep(10)
    const { timeMs } = sync.status().published!
    if (timeMs !== times.at(-1)) times.push(timeMs)
  }
  for (let i = 1; i < times.length; i++) t.true(times[i]! - times[i - 1]! >= 400)
  device.drive.isShortOfSpace = false
  await sleep(50)
  await edit(w, device)
  device.drive.isShortOfSpace = true
  const begin = systemClock.nowMs()
  await until(() => sync.status().published!.timeMs >= begin)
  t.true(sync.status().published!.timeMs - begin < 400, 'there was room meanwhile: at once again')
})

test('R-63 on a full disk without a node, what no version had is given back now and then', async (t) => {
  let isOffline = false
  const { w, device, sync } = await started(
    t,
    { debounceMs: 20, spaceRetryMs: 300, firstRetryMs: 3_600_000 },
    (world) =>
      around(world.node, {
        importBlocks: async (blocks, options) => {
          if (isOffline) throw new DriveError('OFFLINE', 'The node cannot be reached.')
          return world.node.importBlocks(blocks, options)
        },
      }),
  )
  await until(() => sync.status().published?.height === 1)
  isOffline = true
  await edit(w, device)
  await until(() => sync.status().lastError?.code === 'OFFLINE')
  await sleep(100)
  t.is(device.drive.discards, 0)
  device.drive.isShortOfSpace = true
  await until(() => device.drive.discards === 1)
  const begin = performance.now()
  await until(() => device.drive.discards === 3)
  t.true(performance.now() - begin >= 500)
  t.is(sync.status().lastError?.code, 'OFFLINE')
  device.drive.isShortOfSpace = false
  isOffline = false
  await sync.syncNow()
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
})

test('R-63 an upload that finds no space on this machine gives way to what was removed since', async (t) => {
  let isFull = false
  const { w, device, sync } = await started(t, { debounceMs: 20, firstRetryMs: 50 }, (world) =>
    around(world.node, {
      importBlocks: async (blocks, options) => {
        const given: NodeBlock[] = []
        for await (const block of blocks) given.push(block)
        const bytes = given.reduce((sum, block) => sum + block.bytes.length, 0)
        if (isFull && bytes > 1_000_000) throw new DriveError('NO_SPACE', 'The disk of the block store is full.')
        return world.node.importBlocks(given, options)
      },
    }),
  )
  await until(() => sync.status().published?.height === 1)
  isFull = true
  await device.drive.write('/filler', w.random.bytes(3_000_000))
  await edit(w, device)
  await until(() => sync.status().lastError?.code === 'NO_SPACE')
  await device.drive.remove('/filler')
  device.drive.lastChangeMs = systemClock.nowMs()
  await until(() => sync.status().published?.height === 2)
  t.is(sync.status().lastError, undefined)
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
})

test('a drive that never rests is published all the same', async (t) => {
  const { w, device, sync } = await started(t, { debounceMs: 3_600_000, maxDelayMs: 200 })
  await until(() => sync.status().published?.height === 1)
  const end = performance.now() + 5000
  while (sync.status().published?.height === 1 && performance.now() < end) {
    await edit(w, device)
    await sleep(10)
  }
  t.true((sync.status().published?.height ?? 0) > 1)
})

test('failures are retried with growing pauses, and the status says why', async (t) => {
  let isOffline = true
  const times: number[] = []
  const { sync } = await started(t, { firstRetryMs: 50, lastRetryMs: 10_000 }, (w) =>
    around(w.node, {
      importBlocks: async (blocks, options) => {
        times.push(performance.now())
        if (isOffline) throw new DriveError('OFFLINE', 'The node cannot be reached.')
        return w.node.importBlocks(blocks, options)
      },
    }),
  )
  await until(() => times.length >= 4)
  const status = sync.status()
  t.is(status.lastError?.code, 'OFFLINE')
  for (const [i, least] of [50, 100, 200].entries()) t.true(times[i + 1]! - times[i]! >= least - 5)
  isOffline = false
  await until(() => sync.status().published !== undefined)
  t.is(sync.status().lastError, undefined)
  t.is(sync.status().phase, 'idle')
})

test('paused, nothing is published; resumed, it goes on', async (t) => {
  const { w, device, sync } = await started(t, { debounceMs: 0 })
  await until(() => sync.status().published?.height === 1)
  sync.pause()
  await edit(w, device)
  await sleep(100)
  t.is(sync.status().phase, 'paused')
  t.is(sync.status().published?.height, 1)
  t.true(isDriveError(await t.throwsAsync(sync.syncNow()), 'BUSY'))
  sync.resume()
  await until(() => sync.status().published?.height === 2)
})

test('closing in the middle of an upload is quick, and the rest stays staged for the next start', async (t) => {
  const { w, device, sync } = await started(t, {}, (world) =>
    around(world.node, {
      importBlocks: async (_blocks, { signal }) => {
        await sleep(60_000, signal)
        throw new Error('not reached')
      },
    }),
  )
  await device.drive.write('/file', w.random.bytes(10_000))
  const waiting = sync.syncNow()
  waiting.catch(() => undefined)
  await until(() => sync.status().phase === 'uploading')
  const begin = performance.now()
  await device.stop()
  t.true(performance.now() - begin < 1000)
  t.true(isDriveError(await t.throwsAsync(waiting), 'ABORTED'))
  t.is(sync.status().phase, 'closed')
  await (await device.start()).syncNow()
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
})

test('syncNow tells about its progress and can be given up', async (t) => {
  const { w, device, sync } = await started(t, {})
  await device.drive.write('/file', w.random.bytes(3_000_000), 'chunks', true)
  const phases = new Set<SyncPhase>()
  let total = 0
  await sync.syncNow({
    onProgress: (status) => {
      phases.add(status.phase)
      total = Math.max(total, status.bytes.total)
    },
  })
  for (const phase of ['building', 'uploading', 'pinning', 'naming', 'settling'] as const)
    t.true(phases.has(phase), phase)
  t.true(total > 3_000_000)
  const stop = new AbortController()
  await edit(w, device)
  const waiting = sync.syncNow({ signal: stop.signal })
  stop.abort()
  t.true(isDriveError(await t.throwsAsync(waiting), 'ABORTED'))
})

test('name records are put again now and then, the same bytes', async (t) => {
  const puts: { name: string; record: Uint8Array }[] = []
  const { w, sync } = await started(t, { refreshNamesMs: 50 }, (world) =>
    around(world.node, {
      putName: async (name, record, options) => {
        puts.push({ name, record })
        await world.node.putName(name, record, options)
      },
    }),
  )
  await until(() => sync.status().published !== undefined)
  const names = new DriveNames(w.keys)
  await until(() => puts.length >= 6)
  t.deepEqual(
    puts.slice(0, 2).map(({ name }) => name),
    [names.device(0), names.drive],
  )
  t.deepEqual(puts[2], puts[0])
  t.deepEqual(puts[5], puts[1])
})

test('what is asked for during a publish is published by the next one', async (t) => {
  const { w, device, sync } = await started(t, {}, (world) =>
    around(world.node, {
      importBlocks: async (blocks, options) => {
        await sleep(50)
        return world.node.importBlocks(blocks, options)
      },
    }),
  )
  await until(() => sync.status().phase === 'idle' && sync.status().published !== undefined)
  await edit(w, device)
  const first = sync.syncNow()
  await until(() => sync.status().phase === 'uploading')
  await device.drive.write('/later', w.random.bytes(100))
  await sync.syncNow()
  await first
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
})
