import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { pinTreeNode, pinTreeOver, rawBlocks } from '../../../test/suites/node-material.js'
import { DriveError, hex, isDriveError, seededRandom } from '../../base/index.js'
import { cidOf, parseCid, versionRootBlock } from '../../dag/index.js'
import type { NodeBlock } from '../contract.js'
import { importBlocks } from './block-import.js'
import { collectGarbage, type CollectedStore } from './collect-garbage.js'
import type { BlockIndex, IndexChanges } from './block-index.js'
import { DigestSet } from './digest-set.js'
import { freeSegments } from './free-segments.js'
import { openStore } from './open-store.js'
import type { RecentBlock } from './recent-records.js'

const seed = (process.pid * 2654435761) >>> 0 || 1

async function storeWith(t: ExecutionContext, marked?: number): Promise<CollectedStore & { used: () => number }> {
  const path = await mkdtemp(join(tmpdir(), 'dagdrive-garbage-'))
  const opened = await openStore(join(path, 'store'), {})
  const { index, segments } = opened
  t.teardown(async () => {
    await opened.close()
    await rm(path, { recursive: true })
  })
  const source: CollectedStore['source'] = {
    has: (cid) => index.has(cid.digest),
    read: (cid) => segments.read(index.locate(cid.digest)!),
  }
  return { index, segments, source, used: () => segments.usedBytes, ...(marked !== undefined && { marked }) }
}

async function add(store: CollectedStore, blocks: readonly NodeBlock[]): Promise<void> {
  await importBlocks(blocks, store.segments, store.index, {
    holds: (digest) => store.index.has(digest),
    requireSpace: async () => undefined,
    onStored: () => undefined,
  })
}

test('a set of digests behaves like a set of their texts', (t) => {
  t.log(`seed ${seed}`)
  const random = seededRandom(seed)
  const [set, model] = [new DigestSet(), new Set<string>()]
  for (let i = 0; i < 4000; i++) {
    const digest = random.bytes(32)
    if (random.next(3) === 0) digest.fill(0, 0, 12)
    if (random.next(2) === 0) digest.fill(1, 3)
    t.is(set.has(digest), model.has(hex(digest)))
    t.is(set.add(digest), !model.has(hex(digest)))
    model.add(hex(digest))
  }
  t.is(set.size, model.size)
  for (const text of model) t.true(set.has(Buffer.from(text, 'hex')))
})

test('S-005 garbage is collected exactly, part by part, with a bounded number of marks at a time', async (t) => {
  const store = await storeWith(t, 50)
  const kept = pinTreeOver(rawBlocks(300, 200, 1))
  const dropped = pinTreeOver(rawBlocks(500, 200, 2))
  await add(store, [...kept.blocks, ...dropped.blocks])
  await store.index.commit({ pinned: { cid: kept.root, name: 'kept' } })
  t.is((await collectGarbage(store)).removedBlocks, dropped.blocks.length)
  for (const { cid } of kept.blocks) t.true(store.index.has(parseCid(cid).digest))
  t.is(store.index.blockCount, kept.blocks.length)
})

test('S-042 below the requested share nothing is collected; the blocks of a running upload stay', async (t) => {
  for (const marked of [undefined, 60]) {
    const store = await storeWith(t, marked)
    const kept = pinTreeOver(rawBlocks(120, 100_000, 1))
    await add(store, kept.blocks)
    await store.index.commit({ pinned: { cid: kept.root, name: 'kept' } })
    await add(store, rawBlocks(30, 100_000, 2))
    t.is((await collectGarbage(store, { leastShare: 0.25 })).removedBlocks, 0)
    const upload = rawBlocks(30, 100_000, 3)
    const sent = new Set(upload.map(({ cid }) => hex(parseCid(cid).digest)))
    await add(store, upload)
    const keep = (digest: Uint8Array): boolean => sent.has(hex(digest))
    t.is((await collectGarbage(store, { leastShare: 0.25, keep })).removedBlocks, 0)
    const before = store.used()
    t.is((await collectGarbage(store, { keep, isThorough: true })).removedBlocks, 30)
    t.true(store.used() < before - 2_700_000)
    await add(store, rawBlocks(100, 100_000, 4))
    t.is((await collectGarbage(store, { leastShare: 0.25 })).removedBlocks, 130)
    t.is(store.index.blockCount, kept.blocks.length)
  }
})

test('S-013 the roots and commits of replaced versions stay, so that descent can be proved; the rest is collected', async (t) => {
  const store = await storeWith(t)
  const commits = rawBlocks(3, 900, 21)
  const forests = [1, 2, 3].map((n) => pinTreeOver(rawBlocks(40, 300, 30 + n)))
  const roots = forests.map((forest, i) =>
    versionRootBlock({ commit: parseCid(commits[i]!.cid).digest, forest: parseCid(forest.root).digest }),
  )
  const cids = roots.map(({ digest }) => cidOf(digest, 'dag-pb'))
  const rootBlocks = roots.map(({ bytes }, i) => ({ cid: cids[i]!, bytes }))
  await add(store, [...commits, ...forests.flatMap(({ blocks }) => blocks), ...rootBlocks])
  for (const [i, cid] of cids.entries()) {
    await store.index.commit({ pinned: { cid, name: 'drive' } })
    if (i > 0) await store.index.commit({ unpinned: cids[i - 1]! })
  }
  await collectGarbage(store)
  const holds = (cid: string): boolean => store.index.has(parseCid(cid).digest)
  t.deepEqual(
    [...cids, ...commits.map(({ cid }) => cid)].map(holds),
    Array.from({ length: 6 }, () => true),
  )
  t.deepEqual(
    forests.map(({ blocks }) => blocks.filter(({ cid }) => holds(cid)).length),
    [0, 0, forests[2]!.blocks.length],
  )
})

test('S-080 a hostile tree that would fill the memory of the walk is refused', async (t) => {
  const store = await storeWith(t)
  const random = seededRandom(seed)
  const blocks: NodeBlock[] = []
  let below: readonly string[] = []
  for (let depth = 0; depth < 10; depth++) {
    const nowhere = Array.from({ length: 26_000 }, () => cidOf(random.bytes(32), 'dag-pb'))
    const node = pinTreeNode([...nowhere, ...below])
    blocks.push(node)
    below = [node.cid]
  }
  await add(store, blocks)
  await store.index.commit({ pinned: { cid: below[0]!, name: 'endless' } })
  const error = await t.throwsAsync(collectGarbage(store))
  t.true(isDriveError(error, 'NODE_ERROR'))
  t.regex(String(error), /exceeds the size limit/)
})

test('S-080 pinned trees that refer to far more blocks than the store has do not fill memory during garbage collection', async (t) => {
  const store = await storeWith(t, 50)
  const random = seededRandom(seed)
  const node = pinTreeNode(Array.from({ length: 1000 }, () => cidOf(random.bytes(32), 'raw')))
  await add(store, [node])
  await store.index.commit({ pinned: { cid: node.cid, name: 'much' } })
  const error = await t.throwsAsync(collectGarbage(store))
  t.regex(String(error), /far more blocks/)
  t.true(store.index.has(parseCid(node.cid).digest))
})

test('S-080 rows beyond the capacity of a segment are not collected, and rows without a segment are not counted', async (t) => {
  const store = await storeWith(t)
  await add(store, rawBlocks(3, 5000, 3))
  const { length: size } = store.index.pages().next().value![0]![1]
  const hostile = {
    *pages(): Generator<RecentBlock[]> {
      for (let page = 0; page < 110; page++)
        yield Array.from({ length: 2000 }, (_, i) => {
          const at = page * 2000 + i
          return [
            Buffer.alloc(32),
            { segment: at % 2 === 0 ? at : 1, offset: at % size, length: at % 500 === 1 ? 1 : 0 },
          ]
        })
      for (let page = 0; page < 110; page++)
        yield Array.from({ length: 2000 }, () => [Buffer.alloc(32), { segment: 1, offset: 0, length: 0 }])
    },
    commit: () => Promise.reject(new Error('nothing is moved')),
  }
  await freeSegments(hostile as unknown as BlockIndex, store.segments, {})
  t.is(store.segments.sizes.size, 1)
})

test('S-080 where the index has no room to forget more, what was forgotten makes room first', async (t) => {
  const store = await storeWith(t)
  const kept = pinTreeOver(rawBlocks(20, 2000, 1))
  await add(store, [...kept.blocks, ...rawBlocks(100, 2000, 2)])
  const { index } = store
  await index.commit({ pinned: { cid: kept.root, name: 'kept' } })
  let refused = 0
  const full = {
    pages: () => index.pages(),
    pins: () => index.pins(),
    formerRoots: index.formerRoots,
    blockCount: index.blockCount,
    areRootsIncomplete: false,
    commit: async (changes: IndexChanges) => {
      if (changes.forgotten !== undefined && refused++ === 0) throw new DriveError('NO_SPACE', 'Full.')
      await index.commit(changes)
    },
  }
  const { removedBlocks } = await collectGarbage({ ...store, index: full as unknown as BlockIndex })
  t.is(removedBlocks, 100)
  t.is(refused, 2)
  t.is(index.blockCount, kept.blocks.length)
})
