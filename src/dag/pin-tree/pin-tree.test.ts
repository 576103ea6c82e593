import { decode } from '@ipld/dag-pb'
import test from 'ava'
import { hex, isDriveError, seededRandom, type Digest } from '../../base/index.js'
import { updatePinTree, type PinTreeState, type UpdatedPinTree } from './pin-tree-build.js'
import { readPinTree } from './pin-tree-read.js'
import { leafBits, levelsOf, type PrefixRange } from './pin-tree-shape.js'
import { decodePinTreeNode, linksBlock } from './links-block.js'
import { digestsWithin } from './sorted-digests.js'
import { damaged, MemoryBlocks, type SeededRandom } from '../../../test/support/dag/blocks.js'
import { decodeVersionRoot, versionRootBlock } from '../records/version-root.js'

/** A live set, and the table of pin tree nodes that a caller keeps. */
class LiveSet implements PinTreeState {
  #live = new Map<string, Digest>()
  #sorted: Digest[] | undefined
  #nodes = new Map<string, Digest>()
  previousBits: number | undefined
  changed: Digest[] = []

  get count(): number {
    return this.#live.size
  }

  get sorted(): Digest[] {
    return (this.#sorted ??= [...this.#live.values()].sort((a, b) => Buffer.compare(a, b)))
  }

  get nodeDigests(): Set<string> {
    return new Set(Array.from(this.#nodes.values(), hex))
  }

  add(digests: Iterable<Digest>): this {
    for (const digest of digests) this.#change(digest, () => this.#live.set(hex(digest), digest))
    return this
  }

  remove(digests: Iterable<Digest>): this {
    for (const digest of digests) this.#change(digest, () => this.#live.delete(hex(digest)))
    return this
  }

  digests(range: PrefixRange): Iterable<Digest> {
    return digestsWithin(this.sorted)(range)
  }

  previousNode(bits: number, prefix: number): Digest | undefined {
    return this.#nodes.get(`${bits}/${prefix}`)
  }

  update(): UpdatedPinTree {
    const updated = updatePinTree(this)
    if (updated.rebuilt) this.#nodes.clear()
    for (const { bits, prefix, digest } of updated.nodes) {
      if (digest === undefined) this.#nodes.delete(`${bits}/${prefix}`)
      else this.#nodes.set(`${bits}/${prefix}`, digest)
    }
    this.previousBits = updated.bits
    this.changed = []
    return updated
  }

  #change(digest: Digest, apply: () => void): void {
    apply()
    this.#sorted = undefined
    this.changed.push(digest)
  }
}

const randomDigests = (count: number, random: SeededRandom): Digest[] => {
  return Array.from({ length: count }, () => random.bytes(32))
}

async function readAll(root: Digest, blocks: MemoryBlocks): Promise<{ digests: Digest[]; bits: number }> {
  const digests: Digest[] = []
  let bits = 0
  for await (const leaf of readPinTree(root, blocks.fetch)) {
    digests.push(...leaf.digests)
    bits = leaf.bits
  }
  return { digests, bits }
}

test('pin trees of any size give back exactly the live set and their depth', async (t) => {
  const seed = 81
  const random = seededRandom(seed)
  for (const count of [0, 1, 2, 192, 193, 1000, 30_000, 60_000]) {
    const set = new LiveSet().add(randomDigests(count, random))
    const forest = set.update()
    t.true(forest.rebuilt)
    const read = await readAll(forest.root, new MemoryBlocks().add(forest.blocks))
    t.is(read.digests.length, set.count)
    t.true(
      read.digests.every((digest, i) => Buffer.compare(digest, set.sorted[i]!) === 0),
      `seed ${seed}, ${count} digests`,
    )
    t.is(read.bits, forest.bits)
  }
})

test('forest nodes are what @ipld/dag-pb reads: unnamed links, no sizes, no data', (t) => {
  const random = seededRandom(82)
  const forest = new LiveSet().add(randomDigests(20_000, random)).update()
  const leafSizes: number[] = []
  for (const block of forest.blocks) {
    const node = decode(block.bytes)
    t.is(node.Data, undefined)
    t.true(node.Links.every((link) => link.Name === undefined && link.Tsize === undefined))
    if (node.Links[0]!.Hash.code === 0x55) leafSizes.push(node.Links.length)
    else t.true(node.Links.length <= 128)
  }
  const mean = 20_000 / leafSizes.length
  t.true(mean >= 96 && mean <= 192)
  t.true(Math.max(...leafSizes) <= 260)
  t.true(Math.min(...leafSizes) >= 64)
})

test('an update rewrites only paths, and equals a new pin tree of the same set', async (t) => {
  const seed = 83
  const random = seededRandom(seed)
  const set = new LiveSet().add(randomDigests(40_000, random))
  const first = set.update()
  const blocks = new MemoryBlocks().add(first.blocks)
  for (let round = 0; round < 5; round++) {
    set.remove(Array.from({ length: 10 }, () => set.sorted[random.next(set.count)]!)).add(randomDigests(10, random))
    const before = set.nodeDigests
    const next = set.update()
    t.false(next.rebuilt)
    t.true(next.blocks.length <= 20 + 20 + 1, `${next.blocks.length} new nodes, seed ${seed}`)
    t.deepEqual(next.dropped.map(hex).sort(), difference(before, set.nodeDigests))
    t.deepEqual(next.blocks.map((b) => hex(b.digest)).sort(), difference(set.nodeDigests, before))
    blocks.add(next.blocks)
    const fresh = new LiveSet().add(set.sorted)
    fresh.previousBits = next.bits
    t.deepEqual(fresh.update().root, next.root)
  }
  const read = await readAll(set.previousNode(0, 0)!, blocks)
  t.is(read.digests.length, set.count)
  t.log(`40,000 digests: ${first.blocks.length} nodes`)
})

test('nothing changed: no new block, the same root', (t) => {
  const set = new LiveSet().add(randomDigests(5_000, seededRandom(84)))
  const first = set.update()
  const again = set.update()
  t.deepEqual(again.blocks, [])
  t.deepEqual(again.root, first.root)
  set.changed = [set.sorted[0]!]
  t.deepEqual(set.update().blocks, [])
})

test('the depth follows the count without flapping', (t) => {
  t.is(leafBits(0, undefined), 0)
  t.is(leafBits(192, undefined), 0)
  t.is(leafBits(193, undefined), 1)
  t.is(leafBits(256, 0), 0)
  t.is(leafBits(257, 0), 1)
  t.is(leafBits(129, 1), 1)
  t.is(leafBits(128, 1), 1)
  t.is(leafBits(127, 1), 0)
  for (const count of [1_000, 50_000, 3_000_000]) {
    const bits = leafBits(count, undefined)
    t.is(leafBits(Math.round(count * 1.3), bits), bits)
    t.is(leafBits(Math.round(count * 0.7), bits), bits)
  }
  t.deepEqual(levelsOf(0), [0])
  t.deepEqual(levelsOf(7), [0, 7])
  t.deepEqual(levelsOf(10), [0, 3, 10])
})

test('a set that grows and shrinks through several depths stays readable', async (t) => {
  const random = seededRandom(85)
  const set = new LiveSet()
  const blocks = new MemoryBlocks()
  for (const target of [10, 500, 3_000, 900, 100, 0, 300]) {
    if (target > set.count) set.add(randomDigests(target - set.count, random))
    else set.remove(set.sorted.slice(target))
    const forest = set.update()
    blocks.add(forest.blocks)
    const read = await readAll(forest.root, blocks)
    t.deepEqual(read.digests, set.sorted)
  }
})

test('a version root names a commit and a pin tree', (t) => {
  const [commit, forest] = randomDigests(2, seededRandom(86)) as [Digest, Digest]
  const block = versionRootBlock({ commit, forest })
  t.is(block.codec, 'dag-pb')
  t.deepEqual(decodeVersionRoot(block.bytes), { commit, forest })
  t.deepEqual(
    decode(block.bytes).Links.map((link) => link.Hash.code),
    [0x55, 0x70],
  )
})

test('damaged or foreign pin tree nodes are CORRUPT', async (t) => {
  const seed = 87
  const random = seededRandom(seed)
  const [a, b] = [random.bytes(32), random.bytes(32)].sort((x, y) => Buffer.compare(x, y)) as [Digest, Digest]
  const root = versionRootBlock({ commit: a, forest: b })
  for (let round = 0; round < 500; round++) {
    try {
      decodeVersionRoot(damaged(root.bytes, random))
    } catch (error) {
      t.true(isDriveError(error, 'CORRUPT'), `seed ${seed} round ${round}: ${String(error)}`)
    }
  }
  const raw = (digest: Digest) => ({ digest, codec: 'raw' as const })
  const pb = (digest: Digest) => ({ digest, codec: 'dag-pb' as const })
  const empty = linksBlock([])
  const blocks = new MemoryBlocks().add([empty])
  const chain = [linksBlock([raw(a)])]
  for (let i = 0; i < 10; i++) chain.push(linksBlock([pb(chain.at(-1)!.digest)]))
  blocks.add(chain)
  for (const bad of [
    linksBlock([raw(b), raw(a)]),
    linksBlock([raw(a), raw(a)]),
    linksBlock([raw(a), pb(b)]),
    linksBlock([pb(empty.digest)]),
    chain.at(-1)!,
  ]) {
    blocks.add([bad])
    t.true(isDriveError(await t.throwsAsync(readAll(bad.digest, blocks)), 'CORRUPT'))
  }
})

function difference(a: ReadonlySet<string>, b: ReadonlySet<string>): string[] {
  return [...a].filter((item) => !b.has(item)).sort()
}

test('S-222 a pin tree node with more links than four full ones is CORRUPT', async (t) => {
  const [digest, key] = [seededRandom(84).bytes(32), seededRandom(85).bytes(32)]
  const blockOf = (count: number) =>
    linksBlock(Array.from({ length: count }, () => ({ digest, codec: 'dag-pb' as const })))
  t.is(decodePinTreeNode(blockOf(4 * 256).bytes).length, 1024)
  t.true(
    isDriveError(
      t.throws(() => decodePinTreeNode(blockOf(1025).bytes)),
      'CORRUPT',
    ),
  )
  const bomb = blockOf(26_214)
  const reading = readAll(bomb.digest, new MemoryBlocks().add([bomb]))
  t.true(isDriveError(await t.throwsAsync(reading), 'CORRUPT'))
  // Equal children repeat their digests.
  const leaf = linksBlock([{ digest: key, codec: 'raw' }])
  const twice = linksBlock([leaf, leaf].map((child) => ({ digest: child.digest, codec: 'dag-pb' as const })))
  const again = readAll(twice.digest, new MemoryBlocks().add([leaf, twice]))
  t.true(isDriveError(await t.throwsAsync(again), 'CORRUPT'))
})
