import test from 'ava'
import { hex, seededRandom } from '../../base/index.js'
import { buildMap, type BuiltMap } from './map-build.js'
import { diffMaps } from './map-diff.js'
import { MemoryBlocks, type SeededRandom } from '../../../test/support/dag/blocks.js'

type Rows = ReadonlyMap<string, string>

function build(rows: Rows, random: SeededRandom, blocks: MemoryBlocks, previous?: BuiltMap): BuiltMap {
  const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1))
  const entries = sorted.map(([key, value]) => [Buffer.from(key), Buffer.from(value)] as const)
  const built = buildMap(entries, { random, ...(previous && { previous: previous.nodes }) })
  blocks.add(built.blocks)
  return built
}

async function found(before: BuiltMap | undefined, after: BuiltMap | undefined, blocks: MemoryBlocks) {
  const out: string[] = []
  for await (const { key, before: was, after: is } of diffMaps(before?.ref, after?.ref, blocks.fetch)) {
    out.push(
      `${Buffer.from(key).toString()}: ${was === undefined ? '-' : hex(was)} ${is === undefined ? '-' : hex(is)}`,
    )
  }
  return out
}

function expected(before: Rows, after: Rows): string[] {
  const text = (value: string | undefined): string => (value === undefined ? '-' : hex(Buffer.from(value)))
  return [...new Set([...before.keys(), ...after.keys()])]
    .sort()
    .filter((key) => before.get(key) !== after.get(key))
    .map((key) => `${key}: ${text(before.get(key))} ${text(after.get(key))}`)
}

/** Changes, adds and removes some rows, spread out or all in one place. */
function edited(rows: Rows, count: number, random: SeededRandom): Rows {
  const next = new Map(rows)
  const keys = [...rows.keys()].sort()
  const from = random.next(keys.length)
  for (let i = 0; i < count; i++) {
    const at = random.next(2) === 0 ? from + i : random.next(keys.length)
    const key = keys[at % keys.length]!
    const kind = random.next(3)
    if (kind === 0) next.delete(key)
    else if (kind === 1) next.set(key, `changed ${random.next(1000)}`)
    else next.set(`${key}+${random.next(1000)}`, 'a'.repeat(random.next(300)))
  }
  return next
}

const rowsOf = (count: number, random: SeededRandom, keyBytes = 0): Rows =>
  new Map(
    Array.from({ length: count }, (_, i) => [
      String(i).padStart(6, '0') + 'k'.repeat(keyBytes),
      'v'.repeat(random.next(200)),
    ]),
  )

test('the diff of two maps lists exactly the keys whose values differ', async (t) => {
  const seed = Number(process.env.SEED ?? 910)
  const random = seededRandom(seed)
  for (let round = 0; round < 40; round++) {
    const blocks = new MemoryBlocks()
    const before = rowsOf(1 + random.next(4000), random)
    const after = edited(before, random.next(60), random)
    const built = build(before, random, blocks)
    const next = build(after, random, blocks, random.next(4) === 0 ? undefined : built)
    t.deepEqual(await found(built, next, blocks), expected(before, after), `seed ${seed}, round ${round}`)
  }
})

test('maps of three levels are compared like small ones, and one map may be absent', async (t) => {
  const random = seededRandom(911)
  const blocks = new MemoryBlocks()
  const before = rowsOf(25_000, random, 1000)
  const after = edited(before, 30, random)
  const built = build(before, random, blocks)
  const next = build(after, random, blocks, built)
  t.deepEqual(await found(built, next, blocks), expected(before, after))
  const few = rowsOf(3, random)
  const small = build(few, random, blocks)
  t.deepEqual(await found(small, next, blocks), expected(few, after), 'maps of different height')
  t.deepEqual(await found(undefined, small, blocks), expected(new Map(), few))
  t.deepEqual(await found(small, undefined, blocks), expected(few, new Map()))
  t.deepEqual(await found(undefined, undefined, blocks), [])
})

test('nodes shared by both maps are not read', async (t) => {
  const random = seededRandom(912)
  const blocks = new MemoryBlocks()
  const before = rowsOf(30_000, random)
  const built = build(before, random, blocks)
  const after = new Map(before).set('010000', 'changed')
  const next = build(after, random, blocks, built)
  t.deepEqual(await found(built, built, blocks), [])
  t.is(blocks.fetched, 0)
  t.deepEqual(await found(built, next, blocks), expected(before, after))
  t.true(built.nodes.length > 20)
  t.true(blocks.fetched <= 6, `${blocks.fetched} of ${built.nodes.length} nodes`)
})
