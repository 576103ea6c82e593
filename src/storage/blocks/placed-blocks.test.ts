import test, { type ExecutionContext } from 'ava'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog, type Digest } from '../../base/index.js'
import { punchHole, readWithoutWaiting } from '../../platform/index.js'
import { openBlockStore } from './block-store.js'
import type { BlockStore } from './contract.js'
import { openPlacedBlocks, type PlacedBlock, type PlacedBlocks } from './placed-blocks.js'

interface Opened {
  readonly store: BlockStore
  readonly placed: PlacedBlocks
  readonly block: (bytes: number) => { readonly digest: Digest; readonly bytes: Buffer }
  readonly place: (digest: Digest) => PlacedBlock
}

async function open(t: ExecutionContext): Promise<Opened> {
  const directory = mkdtempSync(join(tmpdir(), 'dagdrive-placed-'))
  const store = await openBlockStore({
    directory,
    log: silentLog,
    fileCalls: { punchHole, readWithoutWaiting },
    segmentBytes: 256 * 1024,
  })
  const placed = openPlacedBlocks(directory)
  t.teardown(async () => {
    placed.rest()
    await store.close()
    rmSync(directory, { recursive: true, force: true })
  })
  return {
    store,
    placed,
    block(length) {
      const bytes = randomBytes(length)
      return { digest: createHash('sha256').update(bytes).digest(), bytes }
    },
    place: (digest) => ({ digest, place: store.locate(digest)! }),
  }
}

test('S-091 a thread that does not own the blocks reads them at the places it was told', async (t) => {
  const { store, placed, block, place } = await open(t)
  const blocks = [100, 4096, 100_000, 300_000].map(block)
  store.ingest(blocks, { onlyCopy: true })
  await store.commit()
  for (const { digest, bytes } of blocks) t.deepEqual(await placed.read(place(digest)), bytes)
})

test('S-091 what was evicted, given back or is another block by now is never taken for the block', async (t) => {
  const { store, placed, block, place } = await open(t)
  const [gone, kept, last] = [block(64 * 1024), block(64 * 1024), block(400_000)]
  store.ingest([gone, kept], { onlyCopy: false })
  store.ingest([last], { onlyCopy: true })
  await store.commit()
  const [old, still] = [place(gone.digest), place(kept.digest)]
  t.deepEqual(await placed.read(old), gone.bytes)
  store.discard([gone.digest])
  await store.commit()
  t.is(await placed.read(old), undefined, 'a hole')
  t.deepEqual(await placed.read(still), kept.bytes, 'beside it')
  t.is(await placed.read({ digest: gone.digest, place: still.place }), undefined, 'bytes of another block')
  const { offset } = still.place
  t.is(
    await placed.read({ digest: kept.digest, place: { ...still.place, offset: offset + 2 ** 30 } }),
    undefined,
    'behind the end',
  )
  t.is(await placed.read({ digest: kept.digest, place: { ...still.place, segment: 1 } }), undefined, 'no such file')
})

test('S-091 at rest it has no file open, so that what is removed gives its space back', async (t) => {
  const { store, placed, block, place } = await open(t)
  const { digest, bytes } = block(300_000)
  store.ingest([{ digest, bytes }], { onlyCopy: true })
  await store.commit()
  const before = openSegments(store)
  t.deepEqual(await placed.read(place(digest)), bytes)
  t.is(openSegments(store), before + 1)
  placed.rest()
  t.is(openSegments(store), before)
  t.deepEqual(await placed.read(place(digest)), bytes, 'and it reads again')
  t.is(statSync(store.segmentDirectory).isDirectory(), true)
})

/** Descriptors of this process on segments of the store. */
function openSegments({ segmentDirectory }: BlockStore): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(segmentDirectory)
    } catch {
      return false // the listing's own
    }
  }).length
}
