import { mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { hex, seededRandom, type Digest } from '../../base/index.js'
import { BlockIndex } from './block-index.js'
import { RECORD_BYTES } from './block-record.js'
import type { BlockLocation } from '../../storage/segments/index.js'

const seed = (process.pid * 2654435761) >>> 0 || 1

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'dagdrive-index-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

test('the index of a store equals a map with the same changes, also after reopening and merges', async (t) => {
  t.log(`seed ${seed}`)
  const random = seededRandom(seed)
  const path = await folder(t)
  const model = new Map<string, { digest: Digest; location: BlockLocation }>()
  let index = await BlockIndex.open(path, { mergeAt: 300 })
  for (let round = 0; round < 60; round++) {
    const known = [...model.values()]
    const forgotten = known.filter(() => random.next(8) === 0).map(({ digest }) => digest)
    const moved = known.filter(() => random.next(10) === 0).map(({ digest }) => digest)
    const fresh = Array.from({ length: random.next(200) }, () => Uint8Array.from(random.bytes(32)))
    const blocks = [...moved, ...fresh].map(
      (digest) =>
        [digest, { segment: random.next(1000), offset: random.next(2 ** 30), length: random.next(2 ** 20) }] as const,
    )
    await index.commit({ forgotten })
    for (const digest of forgotten) model.delete(hex(digest))
    await index.commit({ blocks })
    for (const [digest, location] of blocks) model.set(hex(digest), { digest, location })
    if (random.next(10) === 0) {
      await index.close()
      index = await BlockIndex.open(path, { mergeAt: 300 })
    }
    t.is(index.blockCount, model.size)
  }
  for (const { digest, location } of model.values()) t.deepEqual(index.locate(digest), location)
  for (let i = 0; i < 500; i++) t.false(index.has(random.bytes(32)))
  const rows = [...index.pages()].flat()
  t.deepEqual(
    rows.map(([digest]) => hex(digest)),
    [...model.keys()].sort(),
  )
  await index.close()
})

const at = (i: number): BlockLocation => ({ segment: 1, offset: i * 100, length: 100 })

/** A closed index whose blocks are all in the sorted file; `at` tells the place of each. */
async function sortedIndex(
  t: ExecutionContext,
  count: number,
): Promise<{ random: ReturnType<typeof seededRandom>; path: string; digests: Uint8Array[]; file: string }> {
  const random = seededRandom(seed)
  const path = await folder(t)
  const digests = Array.from({ length: count }, () => Uint8Array.from(random.bytes(32))).sort((a, b) =>
    Buffer.compare(a, b),
  )
  const index = await BlockIndex.open(path, { mergeAt: 1 })
  await index.commit({ blocks: digests.map((digest, i) => [digest, at(i)] as const) })
  await index.close()
  return { random, path, digests, file: join(path, 'blocks.sorted') }
}

test('S-041 a damaged record loses only the block it names', async (t) => {
  const { random, path, digests, file } = await sortedIndex(t, 3000)
  t.is((await stat(file)).size, digests.length * RECORD_BYTES)
  const bytes = await readFile(file)
  const damaged = new Set<number>()
  for (let i = 0; i < 40; i++) damaged.add(random.next(digests.length))
  for (let i = 1000; i < 1400; i++) damaged.add(i)
  for (const i of damaged) bytes[i * RECORD_BYTES + random.next(RECORD_BYTES)]! ^= 1 << random.next(8)
  await writeFile(file, bytes)
  await truncate(file, 2900 * RECORD_BYTES + 13)
  const index = await BlockIndex.open(path)
  digests.forEach((digest, i) =>
    t.deepEqual(index.locate(digest), damaged.has(i) || i >= 2900 ? undefined : at(i), `block ${i}`),
  )
  const sound = digests.filter((_, i) => !damaged.has(i) && i < 2900)
  t.deepEqual(
    [...index.pages()].flat().map(([digest]) => hex(digest)),
    sound.map((digest) => hex(digest)),
  )
  await index.close()
})

test('S-080 a search in an index of any size reads a bounded part of it, and finds valid records', async (t) => {
  const { random, path, digests, file } = await sortedIndex(t, 5000)
  // A damaged run in the middle longer than a window, and a terabyte of zeros at the end.
  const [from, to] = [1500, 3300]
  const bytes = await readFile(file)
  bytes.fill(0, from * RECORD_BYTES, to * RECORD_BYTES)
  await writeFile(file, bytes)
  await truncate(file, 2 ** 40)
  const index = await BlockIndex.open(path)
  for (let i = 0; i < digests.length; i += 7)
    t.deepEqual(index.locate(digests[i]!), i >= from && i < to ? undefined : at(i), `block ${i}`)
  for (let i = 0; i < 100; i++) t.false(index.has(random.bytes(32)))
  const pages = index.pages()
  for (let i = 0; i < 100; i++) t.false(pages.next().done, 'each page is yielded, so other work can run')
  await index.close()
})

test('S-080 while changes cannot be merged, their number is bounded; afterwards all accepted changes are there', async (t) => {
  const random = seededRandom(seed)
  const path = await folder(t)
  const options = { mergeAt: 10, mostRecent: 30 }
  const index = await BlockIndex.open(path, options)
  const stored: Digest[] = []
  const add = async (): Promise<void> => {
    const digests = Array.from({ length: 5 }, () => Uint8Array.from(random.bytes(32)))
    await index.commit({ blocks: digests.map((digest, i) => [digest, { segment: 1, offset: i, length: 1 }] as const) })
    stored.push(...digests)
  }
  // A directory blocks the path of the merged index.
  await mkdir(join(path, 'blocks.sorted.new'))
  for (let i = 0; i < 6; i++) await add()
  for (let i = 0; i < 3; i++) await t.throwsAsync(add())
  t.is(index.blockCount, 30)
  await index.commit({ forgotten: [stored[0]!] })
  await index.commit({ blocks: [[stored[0]!, { segment: 1, offset: 0, length: 1 }]] })
  await rm(join(path, 'blocks.sorted.new'), { recursive: true })
  for (let i = 0; i < 6; i++) await add()
  await index.close()
  const again = await BlockIndex.open(path, options)
  t.is(again.blockCount, 60)
  for (const digest of stored) t.true(again.has(digest))
  await again.close()
})
