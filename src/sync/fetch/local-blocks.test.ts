import test from 'ava'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hex, silentLog, type Digest } from '../../base/index.js'
import { punchHole, readWithoutWaiting } from '../../platform/index.js'
import { openBlockStore, openPlacedBlocks, type BlockStore } from '../../storage/blocks/index.js'
import type { BlockPlace, DrivePort } from '../../tree-state/index.js'
import { LocalBlocks } from './local-blocks.js'

const fileCalls = { punchHole, readWithoutWaiting }

function blocksOf(count: number, bytes: number): { digest: Digest; bytes: Buffer }[] {
  return Array.from({ length: count }, () => {
    const random = randomBytes(bytes)
    return { digest: createHash('sha256').update(random).digest(), bytes: random }
  })
}

/** The drive thread as far as it is asked here. */
function portOf(store: BlockStore): Pick<DrivePort, 'placesOf'> & { questions: number } {
  return {
    questions: 0,
    async placesOf(digests) {
      this.questions++
      return digests.map((digest) => store.locate(digest))
    },
  }
}

test('S-091 blocks that are moved while they are read arrive whole, from places of before', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'dagdrive-local-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const all = blocksOf(150, 4_000)
  const small = await openBlockStore({ directory, log: silentLog, fileCalls, segmentBytes: 4096 })
  for (const block of all) small.ingest([block], { onlyCopy: true })
  await small.close()
  // What earlier runs left in small pieces is merged from here on.
  const store = await openBlockStore({ directory, log: silentLog, fileCalls })
  t.teardown(() => store.close())
  const port = portOf(store)
  const local = new LocalBlocks(port, openPlacedBlocks(directory))
  t.teardown(() => local.rest())
  const digests = all.map(({ digest }) => digest)
  const before = await local.places(digests)
  let moved = 0
  for (let round = 0; moved < 100 && round < 200; round++) {
    local.rest()
    const read = await local.read(digests, before)
    t.true(all.every(({ bytes }, i) => bytes.equals(read[i] ?? Buffer.alloc(0))))
    const now = await local.places(digests)
    moved = digests.filter((digest) => now.get(hex(digest))?.segment !== before.get(hex(digest))?.segment).length
  }
  t.true(moved >= 100, `${moved} blocks were moved`)
})

test('one question for many blocks; what is gone is said to be gone, what is damaged is not handed out', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'dagdrive-local-'))
  const store = await openBlockStore({ directory, log: silentLog, fileCalls })
  t.teardown(async () => {
    await store.close()
    rmSync(directory, { recursive: true, force: true })
  })
  const all = blocksOf(300, 500)
  store.ingest(all, { onlyCopy: true })
  await store.commit()
  const port = portOf(store)
  const local = new LocalBlocks(port, openPlacedBlocks(directory))
  const digests = all.map(({ digest }) => digest)
  const places = await local.places(digests)
  for (let at = 0; at < all.length; at += 16) {
    const read = await local.read(digests.slice(at, at + 16), places)
    t.deepEqual(
      read,
      all.slice(at, at + 16).map(({ bytes }) => bytes),
    )
  }
  t.is(port.questions, 1)
  const [gone] = blocksOf(1, 10)
  t.deepEqual(await local.read([digests[0]!, gone!.digest]), [all[0]!.bytes, undefined])
  t.deepEqual(await local.read([gone!.digest], places), [undefined])
  local.rest()
  const wrong: BlockPlace = places.get(hex(digests[1]!))!
  let asked = 0
  const lying = new LocalBlocks({ placesOf: async () => (asked++, [wrong]) }, openPlacedBlocks(directory))
  t.deepEqual(await lying.read([digests[0]!]), [undefined])
  t.true(asked > 1 && asked < 10)
  lying.rest()
})
