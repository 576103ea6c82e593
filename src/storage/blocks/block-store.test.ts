import test from 'ava'
import { appendFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sleep, systemClock } from '../../base/index.js'
import { openSegmentWriter } from '../segments/segment-writer.js'
import {
  random,
  KIB,
  makeBlock,
  write,
  holds,
  same,
  lacks,
  segmentNames,
  withStore,
} from '../../../test/support/storage/blocks.js'

test('after releaseAll, no block is an only copy, and all may be evicted', async (t) => {
  await withStore(async (open) => {
    const store = await open()
    const blocks = Array.from({ length: 5 }, () => makeBlock(4 * KIB))
    store.ingest(blocks, { onlyCopy: true })
    store.markEvictable(blocks.slice(0, 2).map(({ digest }) => digest))
    await store.releaseAll()
    t.is(store.usage.evictableBytes, 20 * KIB)
    for (const block of blocks) await holds(t, store, block)
    await store.evictTo(0)
    for (const { digest } of blocks) lacks(t, store, digest)
  })
})

test('blocks written by several writers are read back, also after reopening', async (t) => {
  await withStore(async (open) => {
    const store = await open()
    const writers = [openSegmentWriter(store.segmentDirectory), openSegmentWriter(store.segmentDirectory)]
    const blocks = Array.from({ length: 40 }, () => makeBlock(1 + random.next(20_000)))
    blocks.forEach((block, i) => store.index(write(writers[i % 2]!, [block])))
    for (const block of blocks) await holds(t, store, block)
    await store.commit()
    writers.forEach((writer) => writer.close())
    const { usedBytes, blocks: count } = store.usage
    await store.close()
    const again = await open()
    for (const block of blocks) await holds(t, again, block)
    t.is(count, 40)
    t.is(again.usage.blocks, 40)
    t.true(Math.abs(again.usage.usedBytes - usedBytes) <= 4096 * 2)
    lacks(t, again, makeBlock(10).digest)
    t.is(await again.read(makeBlock(10).digest), undefined)
  })
})

test('a dedup id finds its block until the block is gone', async (t) => {
  await withStore(async (open) => {
    const store = await open()
    const writer = openSegmentWriter(store.segmentDirectory)
    const block = makeBlock(5000)
    const dedupId = Buffer.from(random.bytes(16))
    store.ingest([block], { onlyCopy: false })
    t.is(store.findDuplicate(dedupId), undefined)
    store.index(write(writer, [block]).map((one) => ({ ...one, dedupId })))
    t.deepEqual(store.findDuplicate(dedupId), block.digest)
    t.is(store.usage.evictableBytes, 0)
    t.is(store.usage.blocks, 1)
    await store.commit()
    await holds(t, store, block)
    store.discard([block.digest])
    t.is(store.findDuplicate(dedupId), undefined)
    writer.close()
  })
})

test('after a crash: orphan segments are removed, bytes after the last indexed one are truncated, and no old segment is appended to', async (t) => {
  await withStore(async (open) => {
    const store = await open()
    const block = makeBlock(10_000)
    store.ingest([block], { onlyCopy: true })
    await store.close()
    const name = segmentNames(store)[0]!
    const path = join(store.segmentDirectory, name)
    appendFileSync(path, Buffer.alloc(9000, 1))
    writeFileSync(join(store.segmentDirectory, '0123456789ab.segment'), Buffer.alloc(5000, 1))
    const again = await open()
    t.deepEqual(segmentNames(again), [name])
    t.is(statSync(path).size, 10_000)
    await holds(t, again, block)
    again.ingest([makeBlock(500)], { onlyCopy: true })
    t.is(statSync(path).size, 10_000)
    t.is(segmentNames(again).length, 2)
  })
})

test('many small segments of earlier runs are merged in the background, and their blocks keep their bytes and state', async (t) => {
  await withStore(async (open) => {
    const store = await open()
    const blocks = Array.from({ length: 150 }, () => makeBlock(2000))
    for (const block of blocks) {
      const writer = openSegmentWriter(store.segmentDirectory)
      store.index(write(writer, [block]))
      writer.close()
    }
    store.markEvictable(blocks.slice(0, 50).map(({ digest }) => digest))
    await store.close()
    t.is(segmentNames(store).length, 150)
    let again = await open()
    const deadline = systemClock.monotonicMs() + 150_000
    while (segmentNames(again).length > 2 && systemClock.monotonicMs() < deadline) {
      for (const block of blocks.slice(0, 20)) t.true(same(await again.read(block.digest), block.bytes))
      await sleep(5)
    }
    await again.close()
    again = await open()
    t.is(segmentNames(again).length, 1)
    for (const block of blocks) await holds(t, again, block)
    t.is(again.usage.evictableBytes, 50 * 2000)
    t.is(again.usage.blocks, 150)
  })
})

test('blocks of a segment that was deleted from outside are forgotten, the others stay', async (t) => {
  await withStore(
    async (open) => {
      const store = await open()
      const blocks = Array.from({ length: 6 }, () => makeBlock(10_000))
      for (const block of blocks) store.ingest([block], { onlyCopy: true })
      const gone = store.locate(blocks[0]!.digest)!.segment
      const inGone = blocks.filter(({ digest }) => store.locate(digest)!.segment === gone)
      await store.close()
      unlinkSync(join(store.segmentDirectory, `${gone.toString(16).padStart(12, '0')}.segment`))
      const again = await open()
      for (const block of blocks) {
        if (inGone.includes(block)) lacks(t, again, block.digest)
        else await holds(t, again, block)
      }
      t.is(again.usage.blocks, blocks.length - inGone.length)
    },
    { segmentBytes: 20_000 },
  )
})

test('writers cut a new segment at their limit and refuse lengths that do not add up', async (t) => {
  await withStore(async (open) => {
    const store = await open()
    const writer = openSegmentWriter(store.segmentDirectory, { segmentBytes: 10_000 })
    t.throws(() => writer.append(Buffer.alloc(10), [4, 5]))
    const placed = Array.from({ length: 5 }, () => write(writer, [makeBlock(6000)])[0]!.location.segment)
    t.is(new Set(placed).size, 5)
    writer.close()
    t.throws(() => writer.append(Buffer.alloc(1), [1]))
  })
})
