import test from 'ava'
import { createHash } from 'node:crypto'
import { seededRandom, silentLog } from '../../base/index.js'
import { openBlockStore } from './block-store.js'
import { openSegmentWriter } from '../segments/segment-writer.js'
import { nativeFileCalls, pagesOf, scratchDirectory } from '../../../test/support/storage/storage.js'

const KIB = 1024
const LENGTHS = [4096, 5000, 128 * KIB, 128 * KIB + 4096, 1024 * KIB, 200_000, 300 * KIB, 256 * KIB]

const same = (a: Uint8Array | undefined, b: Uint8Array): boolean => a !== undefined && Buffer.compare(a, b) === 0

test("blocks read into the store's memory are unchanged, and long ones of whole pages stay out of the page cache", async (t) => {
  const seed = (process.pid * 3266489917) >>> 0 || 1
  t.log(`seed ${seed}`)
  const random = seededRandom(seed)
  const blocks = LENGTHS.map((length) => {
    const bytes = Buffer.from(random.bytes(length))
    return { bytes, digest: createHash('sha256').update(bytes).digest() }
  })
  const directory = scratchDirectory()
  const store = await openBlockStore({
    directory: directory.path,
    log: silentLog,
    ...(nativeFileCalls && { fileCalls: nativeFileCalls }),
  })
  const whole = openSegmentWriter(store.segmentDirectory, { direct: true })
  const mixed = openSegmentWriter(store.segmentDirectory)
  try {
    const pages = blocks.filter(({ bytes }) => bytes.length % 4096 === 0)
    for (const { digest, bytes } of pages) {
      const memory = pagesOf(bytes.length) ?? Buffer.alloc(bytes.length)
      memory.set(bytes)
      store.index([{ digest, location: whole.append(memory, [memory.length])[0]! }])
    }
    for (const { digest, bytes } of blocks.toReversed()) {
      store.index([{ digest, location: mixed.append(bytes, [bytes.length])[0]! }])
    }
    await store.commit()
    const scratch = store.scratch(1024 * KIB)
    for (const { digest, bytes } of blocks) t.true(same(await store.read(digest, scratch), bytes))
    const long = pages.filter(({ bytes }) => bytes.length >= 128 * KIB)
    t.log(`${long.filter(({ digest }) => store.readNow(digest, false) !== undefined).length} of ${long.length} cached`)
    const all = await Promise.all(blocks.map(({ digest }) => store.read(digest, store.scratch(1024 * KIB))))
    t.true(all.every((bytes, i) => same(bytes, blocks[i]!.bytes)))
    const gone = blocks.map(({ digest }) => store.read(digest, store.scratch(1024 * KIB)))
    store.discard(blocks.map(({ digest }) => digest))
    await store.commit()
    for (const [i, bytes] of (await Promise.all(gone)).entries()) {
      t.true(bytes === undefined || same(bytes, blocks[i]!.bytes))
    }
  } finally {
    whole.close()
    mixed.close()
    await store.close()
    directory.remove()
  }
})
