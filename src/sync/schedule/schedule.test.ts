import test from 'ava'
import { deferred, DriveError, isDriveError, sleep } from '../../base/index.js'
import { around } from '../../../test/support/sync/around.js'
import { World } from '../../../test/support/sync/world.js'
import { VirtualClock } from '../../../test/support/virtual-clock.js'
import type { SyncPhase } from '../contract.js'
import { DriveNames } from '../heads/drive-names.js'
import { nextSeed, started, until, pass, edit } from '../../../test/support/sync/scheduled.js'

test('R-13 a change is published without a request after the debounce, not before', async (t) => {
  const { w, device, sync, clock } = await started(t, { debounceMs: 300 })
  await until(clock, () => sync.status().published?.height === 1)
  await edit(w, device, clock)
  const begin = clock.monotonicMs()
  await pass(clock, 150)
  t.is(sync.status().published?.height, 1)
  t.is(sync.status().phase, 'waiting')
  await until(clock, () => sync.status().published?.height === 2)
  t.true(clock.monotonicMs() - begin >= 290)
})

test('the first version of a new drive waits for the debounce like any other, once there is more than the root', async (t) => {
  const w = await World.open(nextSeed())
  t.teardown(() => w.close())
  const device = await w.firstDevice()
  const clock = new VirtualClock()
  await edit(w, device, clock)
  const changedMs = clock.nowMs()
  const sync = await device.start({ clock, settings: { leastIntervalMs: 10, debounceMs: 500 } })
  await until(clock, () => sync.status().published !== undefined)
  const { height, timeMs } = sync.status().published!
  t.is(height, 1)
  t.true(timeMs - changedMs >= 500)
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
})

test('S-090 an idle drive is not polled; a change is signalled and published after the debounce', async (t) => {
  const w = await World.open(nextSeed())
  t.teardown(() => w.close())
  const device = await w.firstDevice()
  const { drive } = device
  const clock = new VirtualClock()
  let asked = 0
  const port = new Proxy(drive.port, {
    get: (target, name) => {
      const value = Reflect.get(target, name) as unknown
      if (typeof value !== 'function') return value
      asked++
      return value.bind(target) as unknown
    },
  })
  const sync = await device.start({ clock, port, settings: { debounceMs: 5_000 } })
  await until(clock, () => sync.status().published?.height === 1 && sync.status().phase === 'idle')
  await pass(clock, 1_000)
  const before = asked
  await clock.advance(240_000)
  t.is(asked, before, 'four idle minutes')
  await edit(w, device, clock)
  const begin = clock.monotonicMs()
  for (let i = 0; i < 40; i++) {
    await pass(clock, 100)
    await edit(w, device, clock)
  }
  t.is(sync.status().published?.height, 1)
  await until(clock, () => sync.status().published?.height === 2)
  t.true(clock.monotonicMs() - begin >= 9_000, 'the debounce begins with the last change')
  await pass(clock, 1_000)
  t.deepEqual(await w.seenElsewhere(), await drive.dump())
})

test('an empty new drive is published at once', async (t) => {
  const { sync, clock } = await started(t, { debounceMs: 3_600_000, maxDelayMs: 3_600_000 })
  await until(clock, () => sync.status().published?.height === 1)
  t.pass()
})

test('a drive that changes all the time is still published', async (t) => {
  const { w, device, sync, clock } = await started(t, { debounceMs: 3_600_000, maxDelayMs: 200 })
  await until(clock, () => sync.status().published?.height === 1)
  const end = clock.monotonicMs() + 5000
  while (sync.status().published?.height === 1 && clock.monotonicMs() < end) {
    await edit(w, device, clock)
    await pass(clock, 10)
  }
  t.true((sync.status().published?.height ?? 0) > 1)
})

test('failures are retried with exponential back-off, and the status says why', async (t) => {
  let isOffline = true
  const times: number[] = []
  const { sync, clock } = await started(t, { firstRetryMs: 50, lastRetryMs: 10_000 }, (w, clock) =>
    around(w.node, {
      importBlocks: async (blocks, options) => {
        times.push(clock.monotonicMs())
        if (isOffline) throw new DriveError('OFFLINE', 'The node cannot be reached.')
        return w.node.importBlocks(blocks, options)
      },
    }),
  )
  await until(clock, () => times.length >= 4)
  const status = sync.status()
  t.is(status.lastError?.code, 'OFFLINE')
  for (const [i, least] of [50, 100, 200].entries()) t.true(times[i + 1]! - times[i]! >= least - 5)
  isOffline = false
  await until(clock, () => sync.status().phase === 'idle')
  t.not(sync.status().published, undefined)
  t.is(sync.status().lastError, undefined)
})

test('paused, nothing is published; resumed, it goes on', async (t) => {
  const { w, device, sync, clock } = await started(t, { debounceMs: 0 })
  await until(clock, () => sync.status().published?.height === 1)
  sync.pause()
  await edit(w, device, clock)
  await pass(clock, 100)
  t.is(sync.status().phase, 'paused')
  t.is(sync.status().published?.height, 1)
  t.true(isDriveError(await t.throwsAsync(sync.syncNow()), 'BUSY'))
  sync.resume()
  await until(clock, () => sync.status().published?.height === 2)
})

test('closing during an upload is quick, and the rest stays staged for the next start', async (t) => {
  const { w, device, sync, clock } = await started(t, {}, (world) =>
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
  await until(clock, () => sync.status().phase === 'uploading')
  await device.stop()
  t.true(isDriveError(await t.throwsAsync(waiting), 'ABORTED'))
  t.is(sync.status().phase, 'closed')
  await (await device.start()).syncNow()
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
})

test('syncNow reports progress and can be cancelled', async (t) => {
  const { w, device, sync, clock } = await started(t, {})
  await device.drive.write('/file', w.random.bytes(3_000_000))
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
  await edit(w, device, clock)
  const waiting = sync.syncNow({ signal: stop.signal })
  stop.abort()
  t.true(isDriveError(await t.throwsAsync(waiting), 'ABORTED'))
})

test('name records are republished now and then, with the same bytes', async (t) => {
  const puts: { name: string; record: Uint8Array }[] = []
  const { w, sync, clock } = await started(t, { refreshNamesMs: 50 }, (world) =>
    around(world.node, {
      putName: async (name, record, options) => {
        puts.push({ name, record })
        await world.node.putName(name, record, options)
      },
    }),
  )
  await until(clock, () => sync.status().published !== undefined)
  const names = new DriveNames(w.keys)
  await until(clock, () => puts.length >= 6)
  t.deepEqual(
    puts.slice(0, 2).map(({ name }) => name),
    [names.device(0), names.drive],
  )
  t.deepEqual(puts[2], puts[0])
  t.deepEqual(puts[5], puts[1])
})

test('a request during a publish is served by the next one', async (t) => {
  const upload: { goesOn?: Promise<void> } = {}
  const { w, device, sync, clock } = await started(t, {}, (world) =>
    around(world.node, {
      importBlocks: async (blocks, options) => {
        await upload.goesOn
        return world.node.importBlocks(blocks, options)
      },
    }),
  )
  await until(clock, () => sync.status().phase === 'idle' && sync.status().published !== undefined)
  await edit(w, device, clock)
  const gate = deferred<void>()
  upload.goesOn = gate.promise
  const first = sync.syncNow()
  await until(clock, () => sync.status().phase === 'uploading')
  await device.drive.write('/later', w.random.bytes(100))
  const second = sync.syncNow()
  gate.resolve()
  await second
  await first
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
})
