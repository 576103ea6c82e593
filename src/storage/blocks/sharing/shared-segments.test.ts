/** Segments that a store on the same disk has too: nothing that the cache does changes their bytes. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { openSegmentWriter, RANDOM_NAMES, type BlockLocation } from '../../segments/index.js'
import type { BlockStore } from '../contract.js'
import { nativeFileCalls } from '../../../../test/support/storage/storage.js'
import {
  seed,
  random,
  KIB,
  type Block,
  makeBlock,
  write,
  holds,
  lacks,
  withStore,
} from '../../../../test/support/storage/blocks.js'

const PAGE = 4 * KIB
const pathIn = (store: BlockStore, segment: number): string => RANDOM_NAMES.pathOf(store.segmentDirectory, segment)
const diskBytes = (path: string): number => statSync(path).blocks * 512
const digestsOf = (blocks: readonly Block[]): Uint8Array[] => blocks.map(({ digest }) => digest)

function share(store: BlockStore, blocks: readonly Block[], path: string): Promise<boolean[]> {
  const places = blocks.map(({ digest }) => ({ digest, place: store.locate(digest)! }))
  return store.share({ segment: places[0]!.place.segment, path, blocks: places })
}

/** Blocks that a node confirmed, in one finished segment. */
async function confirmed(store: BlockStore, count: number): Promise<{ blocks: Block[]; segment: number }> {
  const blocks = Array.from({ length: count }, () => makeBlock(8 * PAGE))
  const writer = openSegmentWriter(store.segmentDirectory)
  store.index(write(writer, blocks))
  store.markEvictable(digestsOf(blocks))
  writer.close()
  await store.commit()
  return { blocks, segment: store.locate(blocks[0]!.digest)!.segment }
}

test('S-186 eviction, deletion and recovery leave the bytes of a shared segment alone', async (t) => {
  await withStore(
    async (open) => {
      let store = await open()
      const other = join(store.segmentDirectory, '..', 'other')
      mkdirSync(other)
      const { blocks, segment } = await confirmed(store, 8)
      const path = join(other, '1.seg')
      t.deepEqual(await share(store, blocks, path), Array(8).fill(true))
      t.deepEqual(await share(store, blocks, path), Array(8).fill(true), 'again')
      const before = readFileSync(path)
      const sharedBytes = 8 * 8 * PAGE
      t.like(store.usage, { usedBytes: 0, evictableBytes: 0, sharedBytes, blocks: 8 })

      const own = await confirmed(store, 4)
      t.is(await store.evictTo(0), 4 * 8 * PAGE, 'only what is not shared is evicted')
      for (const { digest } of own.blocks) lacks(t, store, digest)
      for (const block of blocks) await holds(t, store, block)
      store.discard(digestsOf(blocks.slice(2)))
      await store.commit()
      t.true(before.equals(readFileSync(path)), 'a deleted block of it is not punched')
      t.true(diskBytes(path) >= sharedBytes)

      // Bytes that this index does not have: it may have lost them in a crash, and the other store has not.
      appendFileSync(path, 'tail')
      await store.close()
      store = await open()
      t.like(store.usage, { usedBytes: 0, sharedBytes })
      t.true(Buffer.concat([before, Buffer.from('tail')]).equals(readFileSync(path)))
      for (const block of blocks.slice(0, 2)) await holds(t, store, block)
      store.discard(digestsOf(blocks))
      await store.commit()
      t.false(existsSync(pathIn(store, segment)), 'the cache gives up its name')
      t.true(Buffer.concat([before, Buffer.from('tail')]).equals(readFileSync(path)))
    },
    { fileCalls: nativeFileCalls! },
  )
})

test('S-186 a segment whose second name is gone is the cache’s own again, and its dead bytes are freed', async (t) => {
  await withStore(
    async (open) => {
      const store = await open()
      const { blocks, segment } = await confirmed(store, 8)
      const path = join(store.segmentDirectory, '..', '1.seg')
      await share(store, blocks, path)
      store.discard(digestsOf(blocks.slice(0, 6)))
      await store.commit()
      await store.recountShared(Infinity)
      t.is(store.usage.sharedBytes, 8 * 8 * PAGE)
      rmSync(path)
      await store.recountShared(Infinity)
      t.is(diskBytes(pathIn(store, segment)) & ~(PAGE - 1), 2 * 8 * PAGE + PAGE, 'two blocks, and the end mark')
      t.like(store.usage, { usedBytes: 2 * 8 * PAGE + PAGE, evictableBytes: 2 * 8 * PAGE, sharedBytes: 0 })
      for (const block of blocks.slice(6)) await holds(t, store, block)
      t.true((await store.evictTo(0)) >= 2 * 8 * PAGE)
      t.is(store.usage.usedBytes, 0)
    },
    { fileCalls: nativeFileCalls! },
  )
})

test('S-186 a block is shared only while the index has it at the place that was read', async (t) => {
  await withStore(async (open) => {
    const store = await open()
    const { blocks, segment } = await confirmed(store, 3)
    const places = blocks.map(({ digest }) => ({ digest, place: store.locate(digest)! }))
    const path = join(store.segmentDirectory, '..', '1.seg')
    store.restore(blocks[0]!.digest, blocks[0]!.bytes)
    store.discard([blocks[1]!.digest])
    const wrong = { digest: blocks[2]!.digest, place: { ...places[2]!.place, offset: 0 } }
    t.deepEqual(await store.share({ segment, path, blocks: [places[0]!, places[1]!, wrong] }), [false, false, false])
    t.false(existsSync(path), 'no name without a block')
    t.deepEqual(await store.share({ segment, path: join(path, 'none'), blocks: places }), [false, false, false])
    mkdirSync(path)
    t.deepEqual(await store.share({ segment, path, blocks: places }), [false, false, false], 'another file is there')
    t.is(store.usage.sharedBytes, 0)
    t.deepEqual(await store.share({ segment, path: `${path}2`, blocks: places }), [false, false, true])
  })
})

test('S-186 whatever the cache does, a store that got a second name finds its blocks as they were', async (t) => {
  t.log(`seed ${String(seed)}`)
  await withStore(
    async (open) => {
      let store = await open()
      const other = join(store.segmentDirectory, '..', 'other')
      mkdirSync(other)
      let writer = openSegmentWriter(store.segmentDirectory, { segmentBytes: 256 * KIB })
      const known: Block[] = []
      const given = new Map<string, { path: string; place: BlockLocation; bytes: Uint8Array }>()
      let checked = 0
      for (let step = 0; step < 600; step++) {
        const action = random.next(20)
        const one = known[random.next(known.length || 1)]
        if (action < 5 || one === undefined) {
          const made = [makeBlock(PAGE * (1 + random.next(8))), makeBlock(1 + random.next(3000))]
          if (random.next(2) === 0) store.index(write(writer, made))
          else store.ingest(made, { onlyCopy: random.next(2) === 0 })
          known.push(...made)
        } else if (action < 8) store.markEvictable([one.digest])
        else if (action < 9) store.reference([one.digest])
        else if (action < 11) store.discard([one.digest])
        else if (action < 12) store.restore(one.digest, one.bytes)
        else if (action < 15 && store.has(one.digest)) {
          const place = store.locate(one.digest)!
          const path = join(other, String(place.segment))
          const [isShared] = await share(store, [one], path)
          if (isShared === true) given.set(Buffer.from(one.digest).toString('hex'), { path, place, bytes: one.bytes })
        } else if (action < 16) await store.commit()
        else if (action < 17) await store.evictTo(random.next(2) === 0 ? 0 : store.usage.usedBytes >> 1)
        else if (action < 18) {
          const gone = [...given.values()][random.next(given.size || 1)]?.path
          if (gone !== undefined) rmSync(gone)
          for (const [name, { path }] of given) if (path === gone) given.delete(name)
          await store.recountShared(random.next(4))
        } else if (action === 18 && random.next(4) === 0) {
          writer.close()
          await store.close()
          store = await open()
          writer = openSegmentWriter(store.segmentDirectory, { segmentBytes: 256 * KIB })
        }
        for (const { path, place, bytes } of [...given.values()].slice(-3)) {
          const now = readFileSync(path).subarray(place.offset, place.offset + place.length)
          if (Buffer.compare(now, bytes) !== 0) return t.fail('the bytes of a shared segment have changed')
          checked++
        }
        const { usedBytes, evictableBytes, sharedBytes } = store.usage
        if (Math.min(usedBytes, evictableBytes, sharedBytes) < 0) return t.fail('less than nothing is counted')
      }
      writer.close()
      for (const block of known) if (store.has(block.digest)) await holds(t, store, block)
      for (const { path, place, bytes } of given.values())
        t.is(Buffer.compare(readFileSync(path).subarray(place.offset, place.offset + place.length), bytes), 0)
      t.true(checked > 0)
    },
    { fileCalls: nativeFileCalls! },
  )
})
