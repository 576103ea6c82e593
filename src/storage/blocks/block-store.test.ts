import test, { type ExecutionContext } from 'ava'
import { createHash } from 'node:crypto'
import { appendFileSync, readdirSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom, silentLog, sleep, systemClock, type Digest } from '../../base/index.js'
import { openBlockStore, type BlockStoreOptions } from './block-store.js'
import type { BlockStore, IndexedBlock } from './contract.js'
import type { SegmentWriter } from '../segments/contract.js'
import type { FileCalls } from '../segments/segment-files.js'
import { openSegmentWriter } from '../segments/segment-writer.js'
import { nativeFileCalls, scratchDirectory } from '../../../test/support/storage/storage.js'

const seed = (process.pid * 3266489917) >>> 0 || 1
const random = seededRandom(seed)
const KIB = 1024

interface Block {
  readonly digest: Digest
  readonly bytes: Uint8Array
}

function makeBlock(length: number): Block {
  const bytes = Buffer.from(random.bytes(length))
  return { bytes, digest: createHash('sha256').update(bytes).digest() }
}

function write(writer: SegmentWriter, blocks: readonly Block[]): IndexedBlock[] {
  const lengths = blocks.map(({ bytes }) => bytes.length)
  const locations = writer.append(Buffer.concat(blocks.map(({ bytes }) => bytes)), lengths)
  return blocks.map(({ digest }, i) => ({ digest, location: locations[i]! }))
}

async function holds(t: ExecutionContext, store: BlockStore, block: Block): Promise<void> {
  t.true(store.has(block.digest))
  t.true(same(await store.read(block.digest), block.bytes))
  t.true(same(store.readNow(block.digest, true), block.bytes))
}

/** deepEqual is slow for long buffers. */
const same = (a: Uint8Array | undefined, b: Uint8Array): boolean => a !== undefined && Buffer.compare(a, b) === 0

function lacks(t: ExecutionContext, store: BlockStore, digest: Digest): void {
  t.false(store.has(digest))
  t.is(store.locate(digest), undefined)
  t.is(store.readNow(digest, true), undefined)
}

const segmentNames = (store: BlockStore): string[] => readdirSync(store.segmentDirectory)
const diskBytes = (store: BlockStore): number =>
  segmentNames(store).reduce((sum, name) => sum + statSync(join(store.segmentDirectory, name)).blocks * 512, 0)

async function withStore(
  use: (open: () => Promise<BlockStore>) => Promise<void>,
  options: Partial<BlockStoreOptions> = {},
) {
  const scratch = scratchDirectory()
  let store: BlockStore | undefined
  try {
    await use(async () => (store = await openBlockStore({ directory: scratch.path, log: silentLog, ...options })))
  } finally {
    await store?.close()
    scratch.remove()
  }
}

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
