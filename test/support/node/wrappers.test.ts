import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { failsWith, nodeSuite } from '../../suites/node.suite.js'
import { pinTreeOver, rawBlocks } from '../../suites/node-material.js'
import { DriveError, KIB, seededRandom, silentLog, systemClock, systemRandom } from '../../../src/base/index.js'
import { openNode, type IpfsNode, type NodeBlock } from '../../../src/node/index.js'
import { counted } from './counted.js'
import { faulty } from './faulty.js'
import { limited } from './limited.js'
import { retrying } from './retrying.js'

async function embedded(): Promise<{ node: IpfsNode; dispose: () => Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'dagdrive-wrapped-'))
  const common = { dataDirectory: directory, clock: systemClock, log: silentLog, random: systemRandom }
  return { node: await openNode('embedded', common), dispose: () => rm(directory, { recursive: true, force: true }) }
}

async function embeddedFor(t: ExecutionContext): Promise<IpfsNode> {
  const { node, dispose } = await embedded()
  t.teardown(async () => {
    await node.close()
    await dispose()
  })
  return node
}

const UNLIMITED = { upload: () => undefined, download: () => undefined }
const NO_FAULTS = { before: 0, after: 0, middle: 0 }

nodeSuite('all wrappers without effect', async () => {
  const { node, dispose } = await embedded()
  const inner = limited(
    faulty(node, 1, () => NO_FAULTS),
    UNLIMITED,
    systemClock,
  )
  return { node: retrying(counted(inner), { random: systemRandom }), dispose }
})

test('with retries, a node that fails at random completes all calls (R-13)', async (t) => {
  const seed = 20261120
  t.log(`seed ${seed}`)
  const node = await embeddedFor(t)
  let rates = { before: 0.3, after: 0.2, middle: 0.5 }
  const flaky = counted(faulty(node, seed, () => rates))
  const robust = retrying(flaky, { random: seededRandom(seed), attempts: 60, firstMs: 1, longestMs: 2 })
  let before: string | undefined
  for (let version = 0; version < 10; version++) {
    const forest = pinTreeOver(rawBlocks(30, 300, seed + version))
    t.is((await robust.importBlocks(forest.blocks, { roots: [forest.root] })).blocks, forest.blocks.length)
    if (before === undefined) await robust.pin(forest.root, { name: 'drive' })
    else {
      await robust.updatePin(before, forest.root)
      await robust.unpin(before)
    }
    before = forest.root
    t.deepEqual(await robust.missing(forest.blocks.map((block) => block.cid)), [])
  }
  t.deepEqual(await robust.listPins(), [{ cid: before!, name: 'drive' }])
  t.true(Object.values(flaky.counts.failures).reduce((sum, count) => sum + count, 0) > 5, 'faults occurred')
  rates = { before: 1, after: 0, middle: 0 }
  const error = await t.throwsAsync(robust.listPins())
  t.true(error instanceof DriveError)
})

test('permanent failures are not retried: a missing block below a pin, a wrong key, blocks that can be read only once', async (t) => {
  const node = await embeddedFor(t)
  const watched = counted(node)
  const robust = retrying(watched, { random: systemRandom, firstMs: 1 })
  const forest = pinTreeOver(rawBlocks(3, 100, 7))
  await robust.importBlocks(forest.blocks.slice(1), { roots: [] })
  await failsWith(t, ['NODE_ERROR'], robust.pin(forest.root, { name: 'hole' }))
  t.is(watched.counts.calls.pin, 1)

  let denied = 0
  const denying = {
    ...watched,
    listPins: () => Promise.reject(new DriveError('NODE_DENIED', `refused ${++denied} times`)),
  }
  await failsWith(t, ['NODE_DENIED'], retrying(denying, { random: systemRandom, firstMs: 1 }).listPins())
  t.is(denied, 1)

  const down = counted(faulty(node, 3, () => ({ before: 1, after: 0, middle: 0 })))
  const once = (function* (): Iterable<NodeBlock> {
    yield* forest.blocks
  })()
  await t.throwsAsync(retrying(down, { random: systemRandom, firstMs: 1 }).importBlocks(once, { roots: [] }))
  t.is(down.counts.calls.importBlocks, 1)

  const again = counted(faulty(node, 3, () => ({ before: 1, after: 0, middle: 0 })))
  const paced = limited(retrying(again, { random: systemRandom, firstMs: 1 }), UNLIMITED, systemClock)
  await t.throwsAsync(paced.importBlocks(forest.blocks.values(), { roots: [] }))
  t.is(again.counts.calls.importBlocks, 1)
  await t.throwsAsync(paced.importBlocks(forest.blocks, { roots: [] }))
  t.is(again.counts.calls.importBlocks, 6)
})

test('a cancelled retry stops waiting', async (t) => {
  const node = await embeddedFor(t)
  const down = faulty(node, 5, () => ({ before: 1, after: 0, middle: 0 }))
  const abort = new AbortController()
  setTimeout(() => abort.abort(), 50)
  const patient = retrying(down, { random: systemRandom, firstMs: 60_000, longestMs: 60_000 })
  await failsWith(t, ['ABORTED'], patient.listPins({ signal: abort.signal }))
})

test('upload stays within the limit, and removing the limit takes effect at once', async (t) => {
  const node = await embeddedFor(t)
  let limit: number | undefined = 200 * KIB
  const slow = limited(node, { upload: () => limit, download: () => undefined }, systemClock)
  const began = performance.now()
  await slow.importBlocks(rawBlocks(20, 20 * KIB, 9), { roots: [] })
  const tookMs = performance.now() - began
  t.true(tookMs > 1400, `400 KiB at 200 KiB/s took ${tookMs} ms`)
  limit = 16 * KIB
  const call = slow.importBlocks(rawBlocks(300, 20 * KIB, 10), { roots: [] })
  setTimeout(() => (limit = undefined), 200)
  await call
})

test('download stays within the limit', async (t) => {
  const node = await embeddedFor(t)
  const blocks = rawBlocks(12, 20 * KIB, 11)
  await node.importBlocks(blocks, { roots: [] })
  const slow = limited(node, { upload: () => undefined, download: () => 100 * KIB }, systemClock)
  const began = performance.now()
  for (const block of blocks) await slow.getBlock(block.cid)
  t.true(performance.now() - began > 1500)
})
