import test from 'ava'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isDriveError, seededRandom, silentLog } from '../../base/index.js'
import { chunkKey, rowsBetween, rowsOf } from '../../tree-state/keys.js'
import { openEnvironmentReader } from './environment-reader.js'
import { openEnvironment } from './environment.js'
import { be64 } from './key-integers.js'
import { pagesOf } from './pages.js'
import { splitRows, wholeRows } from './split-values.js'
import { scratchDirectory, testSealer } from '../../../test/support/storage/storage.js'
import { text, bytes, withEnvironment } from '../../../test/support/storage/with-environment.js'

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
  await before.commit()
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

test('lmdb trap: changing, transferring or sharing a value after put does not change what is stored', async (t) => {
  await withEnvironment(async (environment) => {
    const table = environment.table('rows')
    const changed = Buffer.alloc(5000, 1)
    const transferred = new Uint8Array(300_000).fill(2)
    const shared = new Uint8Array(new SharedArrayBuffer(300_000)).fill(3)
    table.put(bytes('changed'), changed)
    table.put(bytes('transferred'), transferred)
    table.put(bytes('shared'), shared)
    const committing = environment.commit()
    changed.fill(9)
    structuredClone(transferred, { transfer: [transferred.buffer] })
    shared.fill(9)
    await committing
    t.deepEqual(table.get(bytes('changed')), Buffer.alloc(5000, 1))
    t.deepEqual(table.get(bytes('transferred')), Buffer.alloc(300_000, 2))
    t.deepEqual(table.get(bytes('shared')), Buffer.alloc(300_000, 3))
  })
})

test('lmdb trap: values have their own length and memory, empty and large ones too', async (t) => {
  await withEnvironment(async (environment) => {
    for (const sealed of [false, true]) {
      const table = environment.table(sealed ? 'sealed' : 'clear', { sealed })
      for (const length of [0, 1, 100, 32_767, 32_768, 33_000, 70_000, 2_000_000])
        table.put(be64(length), Buffer.alloc(length, 5))
      await environment.commit()
      const first = table.get(be64(100))!
      for (const length of [0, 1, 32_767, 32_768, 33_000, 70_000, 2_000_000]) {
        const value = table.get(be64(length))!
        t.is(value.length, length)
        t.is(value.byteLength, length)
        t.is(Buffer.from(value).length, length)
        t.true(Buffer.alloc(length, 5).equals(value))
      }
      t.deepEqual(Buffer.from(first), Buffer.alloc(100, 5))
      const ranged = [...table.range()]
      t.deepEqual(
        ranged.map(([, value]) => value.byteLength),
        [0, 1, 100, 32_767, 32_768, 33_000, 70_000, 2_000_000],
      )
      t.true(ranged.every(([, value]) => value.every((byte) => byte === 5)))
    }
  })
})

test('sealed rows do not reveal values, and do not open under another key', async (t) => {
  await withEnvironment(async (environment, path) => {
    const table = environment.table('rows', { sealed: true })
    table.put(bytes('k'), bytes('a-secret-canary'))
    await environment.commit()
    t.false(readFileSync(join(path, 'data.mdb')).includes('a-secret-canary'))
    await environment.close()
    const raw = openEnvironment({ path, log: silentLog })
    const rows = raw.table('rows')
    rows.put(bytes('moved'), rows.get(bytes('k'))!)
    await raw.commit()
    await raw.close()
    const again = openEnvironment({ path, sealer: testSealer(), log: silentLog })
    const sealed = again.table('rows', { sealed: true })
    t.is(text(sealed.get(bytes('k'))), 'a-secret-canary')
    t.true(
      isDriveError(
        t.throws(() => sealed.get(bytes('moved'))),
        'CORRUPT',
      ),
    )
    await again.close()
  })
})

test('keys have 1 to 1,900 bytes', async (t) => {
  await withEnvironment(async (environment) => {
    const table = environment.table('rows', { sealed: true })
    t.throws(() => table.put(Buffer.alloc(0), bytes('x')))
    t.throws(() => table.put(Buffer.alloc(1901), bytes('x')))
    table.put(Buffer.alloc(1900, 255), bytes('x'))
    await environment.commit()
    t.is(text(table.get(Buffer.alloc(1900, 255))), 'x')
  })
})
