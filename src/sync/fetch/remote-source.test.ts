import test from 'ava'
import { DriveError, nameFromText, silentLog, systemClock } from '../../base/index.js'
import { RealDevice } from '../../../test/support/sync/real-device.js'
import { MemoryEnvironment } from '../../../test/support/sync/memory-environment.js'
import { World } from '../../../test/support/sync/world.js'
import type { RemoteChild } from '../../tree-state/index.js'
import { SyncState } from '../state/sync-state.js'
import { NodeReader } from './node-reader.js'
import { openExisting } from './open-existing.js'
import { MissingAtNode } from '../lying-node/missing-blocks.js'
import { createRemoteSource } from './remote-source.js'

const FILES = 2500

test('S-038 a published directory is listed in pages of bounded length, with each entry once', async (t) => {
  const world = await World.open(91)
  const device = await RealDevice.first(world)
  t.teardown(async () => {
    await device.close()
    device.remove()
    await world.close()
  })
  await device.makeDirectory('/d')
  for (let i = 0; i < FILES; i++) await device.symlink(`/d/${i}`, `to ${i}`)
  await device.sync.syncNow()

  const { root } = await openExisting(world)
  let fetched = 0
  const options = { node: world.node, core: world.core, clock: systemClock, log: silentLog }
  const reader = new NodeReader({ ...options, concurrentFetches: 8, offlineMs: 0 })
  const counted: typeof reader.fetch = (...given) => (fetched++, reader.fetch(...given))
  const source = createRemoteSource(reader, counted, new SyncState(new MemoryEnvironment()))
  if (root.content.kind !== 'tree') return t.fail()
  const [d] = (await source.loadDirectory({ ref: root.content.ref, after: undefined })).children
  const { ref } = d!.record
  fetched = 0
  const seen: RemoteChild[] = []
  let pages = 0
  for (let isLast = false; !isLast;) {
    const page = await source.loadDirectory({ ref: ref!, after: seen.at(-1)?.name })
    t.true(page.children.length <= 1000)
    seen.push(...page.children)
    isLast = page.isLast
    pages++
  }
  t.is(pages, 3)
  t.is(new Set(seen.map(({ name }) => name)).size, FILES)
  const beginsAtTheEnd = await source.loadDirectory({ ref: ref!, after: nameFromText('999') })
  t.deepEqual(beginsAtTheEnd, { children: [], isLast: true })
  t.true(fetched < 40, `${fetched} nodes fetched: pages do not fetch nodes again`)
})

test('S-147 S-046 a block that the node does not have is a failure of the node for the drive, never a missing name', async (t) => {
  const world = await World.open(92)
  const device = await RealDevice.first(world)
  t.teardown(async () => {
    await device.close()
    device.remove()
    await world.close()
  })
  await device.symlink('/one', 'to it')
  await device.sync.syncNow()
  const { root } = await openExisting(world)
  if (root.content.kind !== 'tree') return t.fail()
  const { ref } = root.content
  const node = { getBlock: () => Promise.reject(new DriveError('NOT_FOUND', 'The node has no such block.')) }
  const options = { node, core: world.core, clock: systemClock, log: silentLog }
  const reader = new NodeReader({ ...options, concurrentFetches: 8, offlineMs: 0 })
  const missing = new MissingAtNode(() => undefined)
  const source = missing.named(createRemoteSource(reader, reader.fetch, new SyncState(new MemoryEnvironment())))
  t.deepEqual(missing.warnings, [])
  const range = { ref, after: undefined }
  for (const call of [
    () => source.loadDirectory(range),
    () => source.loadChunks(range),
    () => source.fetchBlocks([ref.digest]),
  ])
    t.like(await t.throwsAsync<DriveError>(call()), { code: 'NODE_ERROR' })
  t.regex(missing.warnings.join(), /3 times/)
})
