import test from 'ava'
import { isDriveError, seededRandom } from '../../base/index.js'
import { buildMap, MapBuilder, type BuiltMap } from './map-build.js'
import { decodeMapNode } from './map-node.js'
import { getFromMap, readMap, readMapNodes } from './map-read.js'
import { openPrivateNode } from '../private-node.js'
import { damaged, MemoryBlocks, type SeededRandom } from '../../../test/support/dag/blocks.js'

type Row = readonly [key: Uint8Array, value: Uint8Array]

function rows(count: number, random: SeededRandom, valueBytes = 250): Row[] {
  return Array.from({ length: count }, (_, i): Row => {
    return [Buffer.from(`file-${String(i * 2).padStart(9, '0')}`), random.bytes(random.next(valueBytes))]
  })
}

async function readAll(built: BuiltMap, blocks: MemoryBlocks): Promise<[string, string][]> {
  const out: [string, string][] = []
  for await (const [key, value] of readMap(built.ref, blocks.fetch)) out.push([hexOf(key), hexOf(value)])
  return out
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const asText = (entries: readonly Row[]): [string, string][] => entries.map(([k, v]) => [hexOf(k), hexOf(v)])

test('a small map is one block, an empty one too', async (t) => {
  const random = seededRandom(31)
  for (const count of [0, 1, 40]) {
    const entries = rows(count, random)
    const built = buildMap(entries, { random })
    t.is(built.blocks.length, 1)
    t.is(built.nodes.length, 1)
    t.deepEqual(await readAll(built, new MemoryBlocks().add(built.blocks)), asText(entries))
  }
})

test('maps of any size give back every entry in order, and each key alone', async (t) => {
  const seed = 32
  const random = seededRandom(seed)
  for (const count of [500, 5_000, 30_000]) {
    const entries = rows(count, random)
    const built = buildMap(entries, { random })
    const blocks = new MemoryBlocks().add(built.blocks)
    t.deepEqual(await readAll(built, blocks), asText(entries), `seed ${seed}`)
    for (let i = 0; i < 50; i++) {
      const [key, value] = entries[random.next(count)]!
      t.is(hexOf((await getFromMap(built.ref, key, blocks.fetch))!), hexOf(value))
    }
    t.is(await getFromMap(built.ref, Buffer.from('file-000000001'), blocks.fetch), undefined)
    t.is(await getFromMap(built.ref, Buffer.from('a'), blocks.fetch), undefined)
    t.is(await getFromMap(built.ref, Buffer.from('z'), blocks.fetch), undefined)
  }
})

test('a map of three levels reads like any other', async (t) => {
  const random = seededRandom(40)
  const entries = Array.from({ length: 25_000 }, (_, i): Row => {
    return [Buffer.concat([Buffer.from(String(i).padStart(6, '0')), Buffer.alloc(1000)]), random.bytes(9)]
  })
  const built = buildMap(entries, { random })
  const blocks = new MemoryBlocks().add(built.blocks)
  t.true(built.nodes.at(-1)!.level >= 2)
  t.deepEqual(await readAll(built, blocks), asText(entries))
  for (const at of [0, 1234, 24_999])
    t.is(hexOf((await getFromMap(built.ref, entries[at]![0], blocks.fetch))!), hexOf(entries[at]![1]))
  const nodes = await readMapNodes(built.ref, blocks.fetch)
  t.deepEqual(
    nodes.map((node) => hexOf(node.plainHash)).sort(),
    built.nodes.map((node) => hexOf(node.plainHash)).sort(),
  )
})

test('one change among 100,000 entries rewrites only one path', async (t) => {
  const seed = 33
  const random = seededRandom(seed)
  const entries = rows(100_000, random)
  const first = buildMap(entries, { random })
  t.true(first.blocks.length > 100)
  const sizes = first.blocks.map((block) => block.bytes.length)
  t.true(Math.max(...sizes) <= 256 * 1024)
  let worst = 0
  let total = 0
  const rounds = 12
  for (let round = 0; round < rounds; round++) {
    const at = random.next(entries.length)
    const changed = [...entries]
    const kind = round % 3
    if (kind === 0) changed[at] = [changed[at]![0], random.bytes(random.next(2500))]
    if (kind === 1) changed.splice(at, 1)
    if (kind === 2)
      changed.splice(at, 0, [Buffer.from(`file-${String(at * 2 - 1).padStart(9, '0')}`), random.bytes(1000)])
    const next = buildMap(changed, { random, previous: first.nodes })
    t.true(next.blocks.length >= 2)
    worst = Math.max(worst, next.blocks.length)
    total += next.blocks.length
    t.is(next.nodes.length - first.nodes.length, next.blocks.length - next.dropped.length)
  }
  t.log(`seed ${seed}: ${first.blocks.length} nodes, new nodes a change: mean ${total / rounds}, worst ${worst}`)
  t.true(total / rounds < 3.5)
  t.true(worst <= 8)
})

test('an unchanged map makes no new block, by a list of nodes or by a lookup', async (t) => {
  const random = seededRandom(34)
  const entries = rows(20_000, random)
  const first = buildMap(entries, { random })
  const again = buildMap(entries, { random, previous: first.nodes })
  t.deepEqual(again.blocks, [])
  t.deepEqual(again.dropped, [])
  t.deepEqual(again.ref, first.ref)
  const byHash = new Map(first.nodes.map((node) => [hexOf(node.plainHash), node.ref]))
  const looked = buildMap(entries, { random, reuse: (_level, _first, hash) => byHash.get(hexOf(hash)) })
  t.deepEqual(looked.blocks, [])
  t.deepEqual(looked.ref, first.ref)
})

test('a device that did not build a map learns its nodes by reading it', async (t) => {
  const random = seededRandom(35)
  const first = buildMap(rows(20_000, random), { random })
  const nodes = await readMapNodes(first.ref, new MemoryBlocks().add(first.blocks).fetch)
  t.deepEqual(new Set(nodes.map((n) => hexOf(n.plainHash))), new Set(first.nodes.map((n) => hexOf(n.plainHash))))
  t.is(nodes.at(-1)!.level, 1)
})

test('large values get nodes of their own, and order is required', (t) => {
  const random = seededRandom(36)
  const big = buildMap(
    [1, 2, 3].map((i): Row => [Uint8Array.of(i), random.bytes(300_000)]),
    { random },
  )
  t.is(big.nodes.filter((node) => node.level === 0).length, 3)
  const unsorted: Row[] = [
    [Uint8Array.of(2), Uint8Array.of(1)],
    [Uint8Array.of(1), Uint8Array.of(1)],
  ]
  t.true(
    isDriveError(
      t.throws(() => buildMap(unsorted, { random })),
      'INVALID',
    ),
  )
  const twice: Row[] = [unsorted[0]!, unsorted[0]!]
  t.true(
    isDriveError(
      t.throws(() => buildMap(twice, { random })),
      'INVALID',
    ),
  )
})

test('damaged node plaintext decodes to CORRUPT or to a well-formed node, never to another failure', (t) => {
  const seed = 37
  const random = seededRandom(seed)
  const { blocks, nodes } = buildMap(rows(3_000, random), { random })
  const leaf = openPrivateNode(blocks[0]!.bytes, nodes[0]!.ref)
  const root = openPrivateNode(blocks.at(-1)!.bytes, nodes.at(-1)!.ref)
  let refused = 0
  for (let round = 0; round < 400; round++) {
    const bytes = damaged(round % 2 === 0 ? leaf : root, random)
    try {
      decodeMapNode(bytes)
    } catch (error) {
      refused++
      t.true(isDriveError(error, 'CORRUPT'), `seed ${seed} round ${round}: ${String(error)}`)
    }
  }
  t.true(refused > 100)
})

test('S-064 a map is built incrementally: each block is handed over as soon as it is sealed, and equals the block of a map built at once', (t) => {
  const entries = rows(20_000, seededRandom(50))
  let made = 0
  let early = 0
  const builder = new MapBuilder({ random: seededRandom(51) }, () => made++)
  for (const [key, value] of entries) {
    builder.add(key, value)
    early = made
  }
  const finished = builder.finish()
  t.true(made - early <= finished.nodes.at(-1)!.level + 1)
  const atOnce = buildMap(entries, { random: seededRandom(51) })
  t.deepEqual(finished.ref, atOnce.ref)
  t.is(made, atOnce.blocks.length)
})
