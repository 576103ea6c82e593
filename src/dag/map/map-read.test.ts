import test from 'ava'
import { isDriveError, seededRandom } from '../../base/index.js'
import { buildMap } from './map-build.js'
import { decodeMapNode, MapNodeWriter, type MapChild } from './map-node.js'
import { eachMapNode, readMap } from './map-read.js'
import { openPrivateNode, sealPrivateNode } from '../private-node.js'
import { MemoryBlocks, type SeededRandom } from '../../../test/support/dag/blocks.js'

type Row = readonly [key: Uint8Array, value: Uint8Array]

function rows(count: number, random: SeededRandom, valueBytes = 250): Row[] {
  return Array.from({ length: count }, (_, i): Row => {
    return [Buffer.from(`file-${String(i * 2).padStart(9, '0')}`), random.bytes(random.next(valueBytes))]
  })
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

test('a node in the wrong place is CORRUPT', async (t) => {
  const random = seededRandom(38)
  const one = buildMap(rows(3_000, random), { random })
  const blocks = new MemoryBlocks().add(one.blocks)
  const root = one.blocks.at(-1)!
  const node = decodeMapNode(openPrivateNode(root.bytes, one.ref))
  if (node.level === 0 || !('children' in node)) return t.fail()
  const [first, second] = [node.children[0]!, node.children[1]!]
  const plain = Buffer.from(openPrivateNode(root.bytes, one.ref))
  const at = plain.indexOf(first.ref.digest)
  plain.set(second.ref.digest, at)
  plain.set(second.ref.key, at + 34)
  const forged = sealPrivateNode(plain, random)
  blocks.add([forged.block])
  const reading = (async () => {
    for await (const row of readMap(forged.ref, blocks.fetch)) t.truthy(row)
  })()
  t.true(isDriveError(await t.throwsAsync(reading), 'CORRUPT'))
})

test('a missing block rejects once and leaves no unhandled rejection', async (t) => {
  const random = seededRandom(39)
  const built = buildMap(rows(5_000, random), { random })
  const blocks = new MemoryBlocks().add(built.blocks.filter((_, i) => i !== 1 && i !== 2))
  const reading = (async () => {
    for await (const row of readMap(built.ref, blocks.fetch)) t.truthy(row)
  })()
  t.true(isDriveError(await t.throwsAsync(reading), 'NOT_FOUND'))
})

test('S-038 reading a map can resume after any key, and nodes before that key are not fetched', async (t) => {
  const random = seededRandom(39)
  const entries = rows(5_000, random)
  const built = buildMap(entries, { random })
  const blocks = new MemoryBlocks().add(built.blocks)
  for (const at of [0, 1, 777, 2500, 4_998, 4_999]) {
    let fetched = 0
    const found: string[] = []
    const counted: typeof blocks.fetch = (...given) => (fetched++, blocks.fetch(...given))
    for await (const [key] of readMap(built.ref, counted, { after: entries[at]![0] })) found.push(hexOf(key))
    t.deepEqual(
      found,
      entries.slice(at + 1).map(([key]) => hexOf(key)),
    )
    if (at > 4_000) t.true(fetched <= 3, `${fetched} nodes`)
  }
  const between = Buffer.concat([entries[10]![0], Buffer.of(0)])
  const next = await readMap(built.ref, blocks.fetch, { after: between }).next()
  t.is(hexOf((next.value as Row)[0]), hexOf(entries[11]![0]))
})

test('S-130 a map in which nodes have two parents is CORRUPT, after as many reads as it has nodes', async (t) => {
  const random = seededRandom(39)
  const blocks = new MemoryBlocks()
  const nodeOf = (level: number, firstKey: string, children: readonly MapChild[]): MapChild => {
    const writer = new MapNodeWriter(level)
    if (level === 0) writer.addEntry(Buffer.from(firstKey), random.bytes(1))
    for (const child of children) writer.addChild(child)
    const { ref, block } = sealPrivateNode(writer.take(), random)
    blocks.add([block])
    return { firstKey: Buffer.from(firstKey), ref }
  }
  // Each node has all nodes of the level below that may follow its own: three million paths.
  const keys = Array.from({ length: 20 }, (_, i) => String.fromCharCode(97 + i))
  let level = keys.map((key) => nodeOf(0, key, []))
  for (let at = 1; at < 8; at++) level = keys.map((key, i) => nodeOf(at, key, level.slice(i)))
  const top = nodeOf(8, 'a', level)
  for (const read of [readMap, eachMapNode]) {
    const reading = (async () => {
      for await (const item of read(top.ref, blocks.fetch)) t.truthy(item)
    })()
    t.true(isDriveError(await t.throwsAsync(reading), 'CORRUPT'))
  }
  t.true(blocks.fetched < 2 * blocks.size, `${blocks.fetched} reads of ${blocks.size} nodes`)
})

/** The plaintext of a leaf with this many rows, or of an interior node with this many children. */
function nodeOfMany(level: number, count: number): Uint8Array {
  const writer = new MapNodeWriter(level)
  for (let i = 0; i < count; i++) {
    const key = Buffer.alloc(3)
    key.writeUIntBE(i, 0, 3)
    if (level === 0) writer.addEntry(key, new Uint8Array(0))
    else writer.addChild({ firstKey: key, ref: { digest: new Uint8Array(32), key: new Uint8Array(32) } })
  }
  return writer.take()
}

test('S-220 a map node with more than twice the items of a full node is CORRUPT before they are decoded', (t) => {
  for (const [level, full, most] of [
    [0, 6_715, 16_384],
    [1, 3_741, 8_192],
  ] as const) {
    t.true(most >= 2 * full)
    const node = decodeMapNode(nodeOfMany(level, most))
    t.is('items' in node ? node.items.length : node.children.length, most)
    const tooMany = nodeOfMany(level, most + 1)
    // What follows the length is no item: it is not looked at.
    tooMany.fill(0xff, 8)
    t.regex(t.throws(() => decodeMapNode(tooMany)).message, /limit/)
  }
})

test('S-220 the least rows and children that a drive has fill a node below that limit', (t) => {
  const random = seededRandom(40)
  const least = (i: number): Row => [
    Buffer.concat([Buffer.of(i >> 16, (i >> 8) & 255, i & 255), Buffer.alloc(29)]),
    Uint8Array.of(1),
  ]
  const { nodes, blocks } = buildMap(
    Array.from({ length: 60_000 }, (_, i) => least(i)),
    { random },
  )
  const read = nodes.map(({ ref }, i) => decodeMapNode(openPrivateNode(blocks[i]!.bytes, ref)))
  t.true(read.every((node) => ('items' in node ? node.items.length <= 6_715 : node.children.length <= 3_741)))
})

test('S-221 nodes read ahead are not decoded ahead: a walk that stops in the first leaf never sees the second', async (t) => {
  const random = seededRandom(41)
  const blocks = new MemoryBlocks()
  const leaf = (key: string, plain: Uint8Array): MapChild => {
    const { ref, block } = sealPrivateNode(plain, random)
    blocks.add([block])
    return { firstKey: Buffer.from(key), ref }
  }
  const writer = new MapNodeWriter(0)
  writer.addEntry(Buffer.from('a'), random.bytes(1))
  const top = new MapNodeWriter(1)
  top.addChild(leaf('a', writer.take()))
  top.addChild(leaf('b', random.bytes(100)))
  const { ref, block } = sealPrivateNode(top.take(), random)
  blocks.add([block])
  const reading = readMap(ref, blocks.fetch)
  t.is(hexOf((await reading.next()).value![0]), '61')
  t.is(blocks.fetched, 3)
  t.true(isDriveError(await t.throwsAsync(reading.next()), 'CORRUPT'))
})
