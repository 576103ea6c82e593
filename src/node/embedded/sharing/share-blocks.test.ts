/** The embedded store and the block cache share segment files: real ones of both, in one folder. */
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { pinTreeOver, rawBlocks } from '../../../../test/suites/node-material.js'
import { nativeFileCalls } from '../../../../test/support/storage/storage.js'
import { folder } from '../../../../test/support/node/embedded-store.js'
import { KIB, MIB, silentLog, systemClock } from '../../../base/index.js'
import { parseCid } from '../../../dag/index.js'
import { openBlockStore, type BlockStore } from '../../../storage/blocks/index.js'
import { FIRST_SHARED, openSegmentWriter, RANDOM_NAMES } from '../../../storage/segments/index.js'
import type { CacheFiles, IpfsNode, NodeBlock } from '../../contract.js'
import { openEmbeddedNode } from '../embedded-node.js'

const BLOCK = 256 * KIB
const COUNT = 16

interface Both {
  readonly base: string
  readonly cache: BlockStore
  readonly files: CacheFiles
  readonly node: IpfsNode
  readonly forest: ReturnType<typeof pinTreeOver>
  /** Leaves with their places, then the nodes. */
  readonly blocks: readonly NodeBlock[]
}

const openNodeIn = (base: string): Promise<IpfsNode> =>
  openEmbeddedNode(join(base, 'node'), { dataDirectory: base, clock: systemClock })

const filesOf = (cache: BlockStore): CacheFiles => ({
  pathOf: (segment) => RANDOM_NAMES.pathOf(cache.segmentDirectory, segment),
  share: (wanted) => cache.share(wanted),
})

/** A cache with one segment of confirmed blocks, and an empty store. */
async function both(t: ExecutionContext): Promise<Both> {
  const base = await folder(t)
  mkdirSync(join(base, 'data'))
  const cache = await openBlockStore({ directory: join(base, 'data'), log: silentLog, fileCalls: nativeFileCalls! })
  const node = await openNodeIn(base)
  t.teardown(async () => {
    await node.close()
    await cache.close()
  })
  const forest = pinTreeOver(rawBlocks(COUNT, BLOCK, 7))
  const digests = forest.leaves.map(({ cid }) => parseCid(cid).digest)
  const writer = openSegmentWriter(cache.segmentDirectory)
  const locations = writer.append(
    Buffer.concat(forest.leaves.map(({ bytes }) => bytes)),
    forest.leaves.map(() => BLOCK),
  )
  writer.close()
  cache.index(digests.map((digest, i) => ({ digest, location: locations[i]! })))
  cache.markEvictable(digests)
  await cache.commit()
  const leaves = forest.leaves.map((block, i) => ({ ...block, place: locations[i]! }))
  return { base, cache, files: filesOf(cache), node, forest, blocks: [...leaves, ...forest.nodes] }
}

const segmentsIn = (base: string): string[] => readdirSync(join(base, 'node', 'segments')).toSorted()
const numberOf = (name: string): number => Number(name.slice(0, 8))
const sharedIn = (base: string): string[] => segmentsIn(base).filter((name) => numberOf(name) >= FIRST_SHARED)
const copiedBytes = (base: string): number =>
  segmentsIn(base)
    .filter((name) => numberOf(name) < FIRST_SHARED)
    .reduce((sum, name) => sum + statSync(join(base, 'node', 'segments', name)).size, 0)

async function allAre(t: ExecutionContext, node: IpfsNode, blocks: readonly NodeBlock[]): Promise<void> {
  for (const { cid, bytes } of blocks) t.is(Buffer.compare(await node.getBlock(cid), bytes), 0)
}

test('S-186 the store takes blocks of the cache without a copy, and keeps them whatever the cache gives up', async (t) => {
  const { base, cache, files, node, forest, blocks } = await both(t)
  await node.importBlocks(blocks, { roots: [forest.root], cache: files })
  await node.pin(forest.root, { name: 'mine' })
  t.is(sharedIn(base).length, 1)
  t.true(copiedBytes(base) < MIB, 'only the nodes of the tree are copied')
  t.like(cache.usage, { usedBytes: 0, sharedBytes: COUNT * BLOCK })
  t.is(await cache.evictTo(0), 0)
  cache.discard(blocks.slice(0, COUNT).map(({ cid }) => parseCid(cid).digest))
  await cache.commit()
  t.deepEqual(readdirSync(cache.segmentDirectory), [])
  await allAre(t, node, forest.blocks)
  await node.close()

  // The shared file may be the last one, with one name by now: nothing is appended to it.
  const size = statSync(join(base, 'node', 'segments', sharedIn(base)[0]!)).size
  const again = await openNodeIn(base)
  await allAre(t, again, forest.blocks)
  await again.importBlocks(rawBlocks(5, 100_000, 9), { roots: [] })
  t.is(statSync(join(base, 'node', 'segments', sharedIn(base)[0]!)).size, size)
  await again.close()
})

test('S-186 a block that is not at its place any more is copied, and one without a cache too', async (t) => {
  const { base, cache, files, node, forest, blocks } = await both(t)
  const { digest } = parseCid(blocks[0]!.cid)
  cache.restore(digest, blocks[0]!.bytes)
  await node.importBlocks(blocks, { roots: [forest.root], cache: files })
  t.is(sharedIn(base).length, 1)
  t.true(copiedBytes(base) >= BLOCK && copiedBytes(base) < BLOCK + MIB)
  await allAre(t, node, forest.blocks)
  const refusing: CacheFiles = { ...files, share: async ({ blocks: wanted }) => wanted.map(() => false) }
  const more = rawBlocks(8, BLOCK, 8).map((block, i) => ({ ...block, place: { ...blocks[i]!.place!, length: BLOCK } }))
  await node.importBlocks(more, { roots: [], cache: refusing })
  await allAre(t, node, more)
})

test('S-186 an import that fails or is killed leaves the shared file as it was, and the next one finds its name', async (t) => {
  const { base, cache, files, node, forest, blocks } = await both(t)
  const [name] = readdirSync(cache.segmentDirectory)
  const before = readFileSync(join(cache.segmentDirectory, name!))
  const failing = async function* (): AsyncGenerator<NodeBlock> {
    yield* blocks.slice(0, COUNT)
    yield* rawBlocks(20, BLOCK, 3)
    throw new Error('the source failed')
  }
  await t.throwsAsync(node.importBlocks(failing(), { roots: [], cache: files }))
  t.is(sharedIn(base).length, 1)
  t.is(Buffer.compare(readFileSync(join(cache.segmentDirectory, name!)), before), 0)
  t.is((await node.missing(forest.leaves.map(({ cid }) => cid))).length, COUNT, 'nothing is confirmed')
  await node.close()

  const again = await openNodeIn(base)
  await again.importBlocks(blocks, { roots: [forest.root], cache: files })
  t.is(sharedIn(base).length, 1, 'the same name')
  await allAre(t, again, forest.blocks)
  t.is(Buffer.compare(readFileSync(join(cache.segmentDirectory, name!)), before), 0)
  await again.close()
})

test('S-186 garbage collection and removal of the store leave the blocks of the cache, which are its own again', async (t) => {
  const { base, cache, files, node, blocks } = await both(t)
  const kept = pinTreeOver(blocks.slice(0, 6))
  await node.importBlocks([...blocks, ...kept.nodes], { roots: [kept.root], cache: files })
  await node.pin(kept.root, { name: 'mine' })
  t.true((await node.collectGarbage()).removedBlocks >= COUNT - 6)
  t.is(sharedIn(base).length, 0, 'more than half of it was garbage')
  await allAre(t, node, kept.blocks)
  await cache.recountShared(Infinity)
  t.like(cache.usage, { usedBytes: COUNT * BLOCK, evictableBytes: COUNT * BLOCK, sharedBytes: 0 })
  for (const { cid, bytes } of blocks.slice(0, COUNT))
    t.is(Buffer.compare((await cache.read(parseCid(cid).digest))!, bytes), 0)
  t.true((await cache.evictTo(0)) >= COUNT * BLOCK)
  await allAre(t, node, kept.blocks)
})

test('S-186 a store removed by hand takes nothing from the cache; a damaged shared file is noticed by both', async (t) => {
  const { base, cache, files, node, forest, blocks } = await both(t)
  await node.importBlocks(blocks, { roots: [forest.root], cache: files })
  const [name] = readdirSync(cache.segmentDirectory)
  await truncate(join(cache.segmentDirectory, name!), BLOCK)
  t.is(await cache.read(parseCid(blocks[1]!.cid).digest), undefined)
  await t.throwsAsync(node.getBlock(blocks[1]!.cid))
  // Good bytes from elsewhere replace it.
  await node.importBlocks([forest.leaves[1]!], { roots: [] })
  t.is(Buffer.compare(await node.getBlock(blocks[1]!.cid), blocks[1]!.bytes), 0)
  await rm(join(base, 'node', 'segments'), { recursive: true })
  t.is(Buffer.compare((await cache.read(parseCid(blocks[0]!.cid).digest))!, blocks[0]!.bytes), 0)
  await cache.recountShared(Infinity)
  t.is(cache.usage.sharedBytes, 0)
})
