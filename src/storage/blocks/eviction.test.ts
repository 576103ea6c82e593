import test from 'ava'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { silentLog } from '../../base/index.js'
import { openBlockStore } from './block-store.js'
import type { BlockStore } from './contract.js'
import type { FileCalls } from '../segments/segment-files.js'
import { openSegmentWriter } from '../segments/segment-writer.js'
import { nativeFileCalls, scratchDirectory } from '../../../test/support/storage/storage.js'
import {
  seed,
  random,
  KIB,
  type Block,
  makeBlock,
  write,
  holds,
  same,
  lacks,
  segmentNames,
  withStore,
} from '../../../test/support/storage/blocks.js'

const diskBytes = (store: BlockStore): number =>
  segmentNames(store).reduce((sum, name) => sum + statSync(join(store.segmentDirectory, name)).blocks * 512, 0)

const onlyCopiesSurvive = test.macro(async (t, fileCalls: FileCalls | undefined) => {
  t.log(`seed ${String(seed)}`)
  await withStore(
    async (open) => {
      let store = await open()
      let writer = openSegmentWriter(store.segmentDirectory, { segmentBytes: 256 * KIB })
      const blocks = new Map<string, Block>()
      const onlyCopies = new Set<string>()
      const pick = (): Block | undefined => [...blocks.values()][random.next(blocks.size || 1)]
      let evicted = 0
      for (let step = 0; step < 1000; step++) {
        const action = random.next(24)
        const one = pick()
        const name = one && Buffer.from(one.digest).toString('hex')
        if (action < 6) {
          const made = [makeBlock(1 + random.next(20_000)), makeBlock(1 + random.next(3000))]
          const onlyCopy = random.next(2) === 0
          if (random.next(2) === 0) {
            store.index(write(writer, made))
            if (!onlyCopy) store.markEvictable(made.map(({ digest }) => digest))
          } else store.ingest(made, { onlyCopy })
          for (const block of made) {
            blocks.set(Buffer.from(block.digest).toString('hex'), block)
            if (onlyCopy) onlyCopies.add(Buffer.from(block.digest).toString('hex'))
          }
        } else if (one === undefined || name === undefined) continue
        else if (action < 9) {
          store.markEvictable([one.digest])
          onlyCopies.delete(name)
        } else if (action < 12) {
          if (store.reference([one.digest]).length === 0) onlyCopies.add(name)
        } else if (action < 13) {
          store.index(write(writer, [one]))
          onlyCopies.add(name)
        } else if (action < 14) {
          if (!store.has(one.digest)) store.ingest([one], { onlyCopy: false })
        } else if (action < 15) {
          store.discard([one.digest])
          blocks.delete(name)
          onlyCopies.delete(name)
        } else if (action < 18) store.touch(one.digest)
        else if (action < 20) await store.commit()
        else if (action < 21) {
          const freed = await store.evictTo(random.next(2) === 0 ? 0 : store.usage.usedBytes >> 1)
          evicted += freed
        } else if (action === 21 && random.next(5) === 0) {
          writer.close()
          await store.close()
          store = await open()
          writer = openSegmentWriter(store.segmentDirectory, { segmentBytes: 256 * KIB })
        }
      }
      writer.close()
      await store.evictTo(0)
      if (fileCalls !== undefined) {
        t.is(store.usage.evictableBytes, 0)
        t.is(store.usage.blocks, onlyCopies.size)
      }
      t.true(evicted > 0 && onlyCopies.size > 10)
      for (const [name, block] of blocks) {
        if (onlyCopies.has(name) || (fileCalls === undefined && store.has(block.digest))) await holds(t, store, block)
        else lacks(t, store, block.digest)
      }
    },
    { segmentBytes: 128 * KIB, ...(fileCalls && { fileCalls }) },
  )
})

test('only copies survive evictTo(0) whatever happened before (R-11)', onlyCopiesSurvive, undefined)

if (nativeFileCalls !== undefined) {
  test(
    'only copies survive evictTo(0) where holes are punched, and no other blocks do (R-11)',
    onlyCopiesSurvive,
    nativeFileCalls,
  )
}

test('dead bytes left by a crash between the commit and the hole punching are found at the next start', async (t) => {
  if (nativeFileCalls === undefined) {
    t.pass()
    return
  }
  const scratch = scratchDirectory()
  const blocks = Array.from({ length: 12 }, () => makeBlock(512 * KIB))
  const store = await openBlockStore({ directory: scratch.path, log: silentLog })
  store.ingest(blocks, { onlyCopy: true })
  await store.commit()
  store.discard(blocks.slice(0, 10).map(({ digest }) => digest))
  await store.close()
  const used = diskBytes(store)
  const again = await openBlockStore({ directory: scratch.path, log: silentLog, fileCalls: nativeFileCalls })
  t.true(used > 11 * 512 * KIB)
  t.true(diskBytes(again) < 3 * 512 * KIB)
  t.true(again.usage.usedBytes < 3 * 512 * KIB)
  for (const block of blocks.slice(10)) await holds(t, again, block)
  await again.close()
  scratch.remove()
})

test('eviction takes the least recently used first and frees the disk', async (t) => {
  await withStore(
    async (open) => {
      const store = await open()
      const blocks = Array.from({ length: 64 }, () => makeBlock(64 * KIB))
      for (const block of blocks) store.ingest([block], { onlyCopy: false })
      await store.commit()
      const used = diskBytes(store)
      for (const block of blocks.slice(0, 8)) store.touch(block.digest)
      const freed = await store.evictTo(32 * 64 * KIB)
      t.true(freed >= 32 * 64 * KIB)
      t.true(store.usage.usedBytes <= 32 * 64 * KIB)
      if (nativeFileCalls !== undefined) t.is(store.usage.blocks, 32)
      for (const block of blocks.slice(0, 8)) t.true(store.has(block.digest))
      for (const block of blocks.slice(8, 32)) t.false(store.has(block.digest))
      t.true(diskBytes(store) <= used - freed + 512 * KIB)
      await store.evictTo(0)
      t.true(segmentNames(store).length <= 1)
    },
    { segmentBytes: 512 * KIB, ...(nativeFileCalls && { fileCalls: nativeFileCalls }) },
  )
})

test('a segment whose writer still adds bytes is not removed, although all its known blocks are dead', async (t) => {
  await withStore(async (open) => {
    const store = await open()
    const writer = openSegmentWriter(store.segmentDirectory)
    const [first, second] = [makeBlock(10_000), makeBlock(10_000)] as const
    store.index(write(writer, [first]))
    await store.commit()
    const onTheirWay = write(writer, [second])
    store.discard([first.digest])
    await store.commit()
    writer.close()
    store.markEvictable([first.digest])
    await store.commit()
    store.index(onTheirWay)
    await store.commit()
    await holds(t, store, second)
    t.is(segmentNames(store).length, 1)
    store.discard([second.digest])
    await store.commit()
    t.is(segmentNames(store).length, 0)
  })
})

test('a discarded block stays on disk until the index without it is durable', async (t) => {
  await withStore(async (open) => {
    const store = await open()
    const writer = openSegmentWriter(store.segmentDirectory)
    const block = makeBlock(10_000)
    store.index(write(writer, [block]))
    const [name] = segmentNames(store)
    const other = makeBlock(10_000)
    store.ingest([other], { onlyCopy: true })
    writer.close()
    await store.commit()
    store.reference([other.digest])
    store.markEvictable([other.digest])
    const running = store.commit()
    store.discard([block.digest])
    await running
    t.true(segmentNames(store).includes(name!))
    await store.commit()
    t.false(segmentNames(store).includes(name!))
    await holds(t, store, other)
  })
})

test('a read during an eviction returns the right bytes or none', async (t) => {
  await withStore(
    async (open) => {
      const store = await open()
      const blocks = Array.from({ length: 60 }, () => makeBlock(40_000))
      for (const block of blocks) store.ingest([block], { onlyCopy: false })
      await store.commit()
      const reads = blocks.map((block) => store.read(block.digest))
      const evicting = store.evictTo(20 * 40_000)
      const later = blocks.map((block) => store.read(block.digest))
      await evicting
      let here = 0
      for (const [i, bytes] of (await Promise.all([...reads, ...later])).entries()) {
        if (bytes !== undefined) {
          here++
          t.true(same(bytes, blocks[i % 60]!.bytes))
        }
      }
      t.true(here >= 30 && here < 120)
      t.is(blocks.filter(({ digest }) => store.has(digest)).length <= 20, true)
    },
    { segmentBytes: 200_000, ...(nativeFileCalls && { fileCalls: nativeFileCalls }) },
  )
})
