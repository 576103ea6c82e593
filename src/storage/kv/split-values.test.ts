import test from 'ava'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom, silentLog } from '../../base/index.js'
import { chunkKey, rowsBetween, rowsOf } from '../../tree-state/keys.js'
import { openEnvironmentReader } from './environment-reader.js'
import { openEnvironment } from './environment.js'
import { pagesOf } from './pages.js'
import { splitRows, wholeRows } from './split-values.js'
import { scratchDirectory, testSealer } from '../../../test/support/storage/storage.js'

/** As in split-values.ts. */
const FIRST_BYTES = 4072
const SPLIT = { sealed: true, keyBytes: 16 } as const
const seed = (process.pid * 2246822519) >>> 0 || 1
const hex = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString('hex')

test('S-106 random values around the size of an LMDB page agree with a model, in overlay, commits and snapshots', async (t) => {
  t.log(`seed ${seed}`)
  const random = seededRandom(seed)
  const scratch = scratchDirectory()
  const { path } = scratch
  let environment = openEnvironment({ path, sealer: testSealer(), log: silentLog })
  const reader = openEnvironmentReader(path, testSealer())
  const model = new Map<string, string>()
  try {
    for (let step = 0; step < 1500; step++) {
      const table = environment.table('pages', SPLIT)
      const key = chunkKey(random.next(3), random.next(30))
      if (random.next(3) > 0) {
        const value = random.bytes(random.next(4) === 0 ? random.next(9000) : 4000 + random.next(1100))
        table.put(key, value)
        model.set(hex(key)!, hex(value)!)
      } else {
        table.delete(key)
        model.delete(hex(key)!)
      }
      if (random.next(8) === 0) await environment.commit()
      const ino = random.next(3)
      const range = random.next(2) === 0 ? rowsOf(ino) : rowsBetween(ino, random.next(30), random.next(40))
      const limited = { ...range, ...(random.next(2) === 0 && { limit: random.next(6) }) }
      const wanted = [...model]
        .filter(([k]) => k >= hex(range.start)! && k < hex(range.end)!)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .slice(0, limited.limit)
      t.deepEqual(
        [...table.range(limited)].map(([k, v]) => [hex(k), hex(v)]),
        wanted,
      )
      t.deepEqual(
        [...table.keys(limited)].map(hex),
        wanted.map(([k]) => k),
      )
      t.is(hex(table.get(key)), model.get(hex(key)!))
    }
    await environment.commit()
    const all = [...model].sort(([a], [b]) => (a < b ? -1 : 1))
    t.true(all.length > 20)
    const snapshot = reader.snapshot()
    const frozen = snapshot.table('pages', SPLIT)
    const paged = [...pagesOf(frozen, { pageRows: 3 })].flat().map(([k, v]) => [hex(k), hex(v)])
    t.deepEqual(paged, all)
    for (const [key, value] of all) t.is(hex(frozen.get(Buffer.from(key, 'hex'))), value)
    snapshot.close()
    await reader.close()
    await environment.close()
    environment = openEnvironment({ path, sealer: testSealer(), log: silentLog })
    t.deepEqual(
      [...environment.table('pages', SPLIT).range()].map(([k, v]) => [hex(k), hex(v)]),
      all,
    )
  } finally {
    await environment.close()
    scratch.remove()
  }
})

test('S-106 a sealed page of a file takes little more than its own length in the local data', async (t) => {
  const scratch = scratchDirectory()
  const environment = openEnvironment({ path: scratch.path, sealer: testSealer(), log: silentLog })
  try {
    const table = environment.table('pages', SPLIT)
    const rows = 2000
    for (let i = 0; i < rows; i++) table.put(chunkKey(1, i), Buffer.alloc(4096, i))
    await environment.commit()
    const each = statSync(join(scratch.path, 'data.mdb')).size / rows
    t.log(`${Math.round(each)} bytes a page`)
    t.true(each < 5000, `${Math.round(each)} bytes a page`)
  } finally {
    await environment.close()
    scratch.remove()
  }
})

test('pages of an earlier version, in one row each, are read, replaced and removed', async (t) => {
  const scratch = scratchDirectory()
  const { path } = scratch
  const page = (fill: number): Buffer => Buffer.alloc(4096, fill)
  const before = openEnvironment({ path, sealer: testSealer(), log: silentLog })
  for (let i = 0; i < 4; i++) before.table('pages', { sealed: true }).put(chunkKey(1, i), page(i))
  await before.close()
  const environment = openEnvironment({ path, sealer: testSealer(), log: silentLog })
  try {
    const table = environment.table('pages', SPLIT)
    t.deepEqual(
      [...table.range()].map(([, value]) => value[0]),
      [0, 1, 2, 3],
    )
    table.put(chunkKey(1, 1), page(9))
    table.delete(chunkKey(1, 2))
    await environment.commit()
    t.deepEqual(
      [...table.range()].map(([, value]) => [value.length, value[0]]),
      [
        [4096, 0],
        [4096, 9],
        [4096, 3],
      ],
    )
  } finally {
    await environment.close()
    scratch.remove()
  }
})

test('a value that fills exactly the first row has no rest, and a shorter one removes the previous rest', (t) => {
  const key = chunkKey(1, 1)
  for (const length of [0, 1, FIRST_BYTES, FIRST_BYTES + 1024 + 1, 9000]) {
    const [first, rest] = splitRows(key, Buffer.alloc(length))
    t.is(first[1]!.length, length)
    t.is(rest[1], undefined)
    const rows = wholeRows([{ key, value: first[1]! }], 16)
    t.is([...rows][0]![1].length, length)
  }
  t.deepEqual(
    splitRows(key, undefined).map(([, value]) => value),
    [undefined, undefined],
  )
})
