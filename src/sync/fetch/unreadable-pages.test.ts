import test from 'ava'
import { silentLog, systemClock, type PlainName } from '../../base/index.js'
import { buildMap, encodeEntry, type MapRow } from '../../dag/index.js'
import { MemoryBlocks, randomEntry } from '../../../test/support/dag/blocks.js'
import { MemoryEnvironment } from '../../../test/support/sync/memory-environment.js'
import { World } from '../../../test/support/sync/world.js'
import { SyncState } from '../state/sync-state.js'
import { NodeReader } from './node-reader.js'
import { createRemoteSource } from './remote-source.js'

const ROWS_A_PAGE = 1000
const BYTES_A_PAGE = 1024 * 1024

const key = (i: number): Buffer => Buffer.from(String(i).padStart(6, '0'))
const bad = (i: number, bytes = 2): MapRow => [key(i), Buffer.alloc(bytes, 0x82)]

/** Lists a directory of these rows, page by page. */
async function listed(w: World, rows: readonly MapRow[]) {
  const state = new SyncState(new MemoryEnvironment())
  const options = { node: w.node, core: w.core, clock: systemClock, log: silentLog }
  const reader = new NodeReader({ ...options, concurrentFetches: 8, offlineMs: 0 })
  const map = buildMap(rows, { random: w.random })
  const source = createRemoteSource(reader, new MemoryBlocks().add(map.blocks).fetch, state)
  const stored = (): number => [...state.tables.unreadable.keys()].length
  const names: string[] = []
  const rowsOfPages: number[] = []
  let after: PlainName | undefined
  for (let isLast = false; !isLast && rowsOfPages.length <= rows.length;) {
    const before = stored()
    const page = await source.loadDirectory({ ref: map.ref, after })
    names.push(...page.children.map(({ name }) => name))
    rowsOfPages.push(page.children.length + stored() - before)
    after = page.upTo
    isLast = page.isLast
  }
  return { names, rowsOfPages, stored: stored() }
}

test('S-143 undecodable entries count towards the length of a page, and each is read once', async (t) => {
  const w = await World.open(770)
  t.teardown(() => w.close())
  const rows = Array.from({ length: 3 * ROWS_A_PAGE + 1 }, (_, i) => bad(i))
  const { names, rowsOfPages, stored } = await listed(w, rows)
  t.deepEqual(rowsOfPages, [ROWS_A_PAGE, ROWS_A_PAGE, ROWS_A_PAGE, 1])
  t.deepEqual([names.length, stored], [0, rows.length])
})

test('S-143 the bytes of undecodable entries count too', async (t) => {
  const w = await World.open(771)
  t.teardown(() => w.close())
  const bytes = 64 * 1024
  const rows = Array.from({ length: 100 }, (_, i) => bad(i, bytes))
  const { rowsOfPages, stored } = await listed(w, rows)
  t.true(Math.max(...rowsOfPages) <= BYTES_A_PAGE / bytes, rowsOfPages.join())
  t.is(stored, rows.length)
})

test('S-143 readable entries among undecodable ones are all listed, once', async (t) => {
  const w = await World.open(772)
  t.teardown(() => w.close())
  const good = (i: number): MapRow => [
    key(i),
    encodeEntry(randomEntry(w.random, { kind: 'inline', bytes: w.random.bytes(9) })),
  ]
  const isGood = (i: number): boolean => i % 7 === 3 || (i > 1500 && i < 3200)
  const all = Array.from({ length: 5000 }, (_, i) => i)
  const { names, rowsOfPages, stored } = await listed(
    w,
    all.map((i) => (isGood(i) ? good(i) : bad(i))),
  )
  t.deepEqual(
    names,
    all.filter(isGood).map((i) => key(i).toString()),
  )
  t.is(stored, all.length - names.length)
  t.true(Math.max(...rowsOfPages) <= ROWS_A_PAGE + 1, rowsOfPages.join())
})
