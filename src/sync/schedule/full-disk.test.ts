import test from 'ava'
import { DriveError } from '../../base/index.js'
import { around } from '../../../test/support/sync/around.js'
import type { NodeBlock } from '../../node/index.js'
import { started, until, pass, edit } from '../../../test/support/sync/scheduled.js'

test('R-63 on a full disk a change is published at once, but not continuously', async (t) => {
  const { w, device, sync, clock } = await started(t, {
    debounceMs: 3_600_000,
    maxDelayMs: 3_600_000,
    spaceRetryMs: 400,
  })
  await until(clock, () => sync.status().published?.height === 1)
  await edit(w, device, clock)
  await pass(clock, 100)
  t.is(sync.status().published?.height, 1)
  device.drive.isShortOfSpace = true
  await until(clock, () => sync.status().published?.height === 2)
  const times = [sync.status().published!.timeMs]
  // A program that retries forever.
  while (times.length < 4) {
    await edit(w, device, clock)
    await pass(clock, 10)
    const { timeMs } = sync.status().published!
    if (timeMs !== times.at(-1)) times.push(timeMs)
  }
  for (let i = 1; i < times.length; i++) t.true(times[i]! - times[i - 1]! >= 400)
  device.drive.isShortOfSpace = false
  await pass(clock, 50)
  await edit(w, device, clock)
  device.drive.isShortOfSpace = true
  const begin = clock.nowMs()
  await until(clock, () => sync.status().published!.timeMs >= begin)
  t.true(sync.status().published!.timeMs - begin < 400, 'the disk was not full in between: at once again')
})

test('R-63 on a full disk without a node, unpublished garbage is freed now and then', async (t) => {
  let isOffline = false
  const { w, device, sync, clock } = await started(
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
  await until(clock, () => sync.status().published?.height === 1)
  isOffline = true
  await edit(w, device, clock)
  await until(clock, () => sync.status().lastError?.code === 'OFFLINE')
  await pass(clock, 100)
  t.is(device.drive.discards, 0)
  device.drive.isShortOfSpace = true
  await until(clock, () => device.drive.discards === 1)
  const begin = clock.monotonicMs()
  await until(clock, () => device.drive.discards === 3)
  t.true(clock.monotonicMs() - begin >= 500)
  t.is(sync.status().lastError?.code, 'OFFLINE')
  device.drive.isShortOfSpace = false
  isOffline = false
  await sync.syncNow()
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
})

test('R-63 an upload that finds no space on this machine is abandoned to free the space of files removed since', async (t) => {
  let isFull = false
  const { w, device, sync, clock } = await started(t, { debounceMs: 20, firstRetryMs: 50 }, (world) =>
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
  await until(clock, () => sync.status().published?.height === 1)
  isFull = true
  await device.drive.write('/filler', w.random.bytes(3_000_000))
  await edit(w, device, clock)
  await until(clock, () => sync.status().lastError?.code === 'NO_SPACE')
  await device.drive.remove('/filler')
  await until(clock, () => sync.status().published?.height === 2 && sync.status().lastError === undefined)
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
})

test('S-042 an upload that is too large for the disk of a node elsewhere is given up when the tree has changed', async (t) => {
  let isFull = false
  const { w, device, sync, clock } = await started(t, { debounceMs: 20, firstRetryMs: 50 }, (world) =>
    around(world.node, {
      capabilities: { ...world.node.capabilities, isBesideData: false, isOwnStore: false },
      importBlocks: async (blocks, options) => {
        const given: NodeBlock[] = []
        for await (const block of blocks) given.push(block)
        const bytes = given.reduce((sum, block) => sum + block.bytes.length, 0)
        if (isFull && bytes > 1_000_000) throw new DriveError('NO_SPACE', 'The disk of the node is full.')
        return world.node.importBlocks(given, options)
      },
    }),
  )
  await until(clock, () => sync.status().published?.height === 1)
  isFull = true
  await device.drive.write('/too large', w.random.bytes(3_000_000))
  await edit(w, device, clock)
  await until(clock, () => sync.status().lastError?.code === 'NO_SPACE')
  await device.drive.remove('/too large')
  await edit(w, device, clock)
  await until(clock, () => sync.status().published?.height === 2 && sync.status().lastError === undefined)
  t.deepEqual(await w.seenElsewhere(), await device.drive.dump())
})
