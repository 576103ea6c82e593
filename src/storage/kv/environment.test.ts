import test from 'ava'
import { seededRandom, silentLog } from '../../base/index.js'
import { be64 } from './key-integers.js'
import { chunkKey, rowsBetween, rowsOf } from '../../tree-state/keys.js'
import { openEnvironment } from './environment.js'
import type { Table } from './contract.js'
import { scratchDirectory, testSealer } from '../../../test/support/storage/storage.js'
import { text, bytes, withEnvironment } from '../../../test/support/storage/with-environment.js'

const seed = (process.pid * 2246822519) >>> 0 || 1

test('a put is read back at once, while its commit runs, after it and after reopening', async (t) => {
  await withEnvironment(async (environment, path) => {
    const table = environment.table('rows', { sealed: true })
    table.put(bytes('a'), bytes('1'))
    t.is(text(table.get(bytes('a'))), '1')
    const committing = environment.commit()
    t.is(text(table.get(bytes('a'))), '1')
    table.put(bytes('a'), bytes('2'))
    t.is(text(table.get(bytes('a'))), '2')
    await committing
    t.is(text(table.get(bytes('a'))), '2')
    t.is(environment.pendingCount, 1)
    await environment.commit()
    await environment.close()
    const again = openEnvironment({ path, sealer: testSealer(), log: silentLog })
    t.is(text(again.table('rows', { sealed: true }).get(bytes('a'))), '2')
    await again.close()
  })
})

test('random puts, deletes, ranges and commits agree with a model', async (t) => {
  t.log(`seed ${String(seed)}`)
  const random = seededRandom(seed)
  await withEnvironment(async (environment) => {
    const table = environment.table('rows', { sealed: true })
    const model = new Map<string, string>()
    const randomKey = (): Buffer =>
      random.next(4) === 0 ? be64(random.next(6)) : chunkKey(random.next(6), random.next(40) * 4096)
    let compared = 0
    for (let step = 0; step < 6000; step++) {
      const action = random.next(20)
      const key = randomKey()
      const name = key.toString('latin1')
      if (action < 9) {
        const value = bytes(String(random.next(1e9)).repeat(random.next(30)))
        table.put(key, value)
        model.set(name, value.toString('latin1'))
      } else if (action < 13) {
        table.delete(key)
        model.delete(name)
      } else if (action < 16) t.is(text(table.get(key)), model.get(name))
      else if (action < 19) {
        const ino = random.next(6)
        const shapes = [
          rowsOf(ino),
          rowsBetween(ino, random.next(40) * 4096),
          rowsBetween(ino, random.next(20) * 4096, random.next(40) * 4096),
          { start: be64(ino), end: be64(ino + 2) },
          { start: chunkKey(ino, 8192) },
          { end: chunkKey(ino, 8192) },
          {},
        ]
        const range = { ...shapes[random.next(shapes.length)]!, ...(random.next(2) === 0 && { limit: random.next(9) }) }
        const got = [...table.range(range)].map(([k, v]) => [text(k)!, text(v)!])
        const wanted = [...model]
          .filter(([k]) => (!range.start || k >= text(range.start)!) && (!range.end || k < text(range.end)!))
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .slice(0, 'limit' in range ? range.limit : undefined)
        t.deepEqual(got, wanted)
        t.deepEqual(
          [...table.keys(range)].map(text),
          wanted.map(([k]) => k),
        )
        compared += got.length
      } else if (random.next(3) === 0) {
        const committing = environment.commit()
        if (random.next(2) === 0) await committing
      }
    }
    t.true(compared > 1000)
  })
})

test('commits made while one runs share the next, and each sees its writes durable', async (t) => {
  let frozen = 0
  await withEnvironment(
    async (environment) => {
      const table = environment.table('rows')
      const waits: Promise<void>[] = []
      for (let i = 0; i < 100; i++) {
        table.put(be64(i), bytes('x'))
        waits.push(environment.commit())
      }
      await Promise.all(waits)
      t.is(environment.pendingCount, 0)
      t.is(frozen, 2)
      await environment.commit()
      t.is(frozen, 2)
    },
    { freezing: () => void frozen++ },
  )
})

test('rows put in the freezing hook belong to that commit, and the frozen hook runs before the transaction', async (t) => {
  const order: string[] = []
  let table: Table | undefined
  await withEnvironment(
    async (environment) => {
      table = environment.table('rows')
      table.put(bytes('a'), bytes('1'))
      const first = environment.commit()
      table.put(bytes('late'), bytes('1'))
      await first
      order.push('committed')
      t.is(environment.pendingCount, 1)
      t.is(text(table.get(bytes('sequence'))), '1')
      t.deepEqual(order, ['freezing', 'frozen', 'committed'])
      await environment.commit()
    },
    {
      freezing: () => {
        order.push('freezing')
        table!.put(bytes('sequence'), bytes('1'))
      },
      frozen: async () => {
        order.push('frozen')
      },
    },
  )
})

test('a failed commit loses nothing: rows stay readable and a later commit writes them', async (t) => {
  let fail = true
  await withEnvironment(
    async (environment, path) => {
      const table = environment.table('rows')
      table.put(bytes('a'), bytes('1'))
      table.put(bytes('b'), bytes('1'))
      const failed = environment.commit()
      table.put(bytes('b'), bytes('2'))
      table.delete(bytes('a'))
      const retried = environment.commit()
      await t.throwsAsync(failed)
      t.is(text(table.get(bytes('b'))), '2')
      t.is(table.get(bytes('a')), undefined)
      await t.throwsAsync(retried)
      t.deepEqual(
        [...table.range()].map(([k, v]) => [text(k), text(v)]),
        [['b', '2']],
      )
      fail = false
      await environment.commit()
      t.is(environment.pendingCount, 0)
      t.is(environment.pendingBytes, 0)
      await environment.close()
      const again = openEnvironment({ path, log: silentLog })
      t.deepEqual(
        [...again.table('rows').range()].map(([k, v]) => [text(k), text(v)]),
        [['b', '2']],
      )
      await again.close()
    },
    { frozen: () => (fail ? Promise.reject(new Error('not yet')) : Promise.resolve()) },
  )
})

test('S-139 closing drops what no commit has, also after a failed commit, and waits for commits that were asked for', async (t) => {
  let fail = false
  const isOld = (path: string): Promise<void> => {
    const again = openEnvironment({ path, log: silentLog })
    t.deepEqual(
      [...again.table('rows').range()].map(([k, v]) => [text(k), text(v)]),
      [['a', 'old']],
    )
    return again.close()
  }
  await withEnvironment(async (environment, path) => {
    const table = environment.table('rows')
    table.put(bytes('a'), bytes('older'))
    const first = environment.commit()
    table.put(bytes('a'), bytes('old'))
    const second = environment.commit()
    await environment.close()
    await Promise.all([first, second])
    await isOld(path)
    const failing = openEnvironment({
      path,
      log: silentLog,
      commitHook: { frozen: () => (fail ? Promise.reject(new Error('not yet')) : Promise.resolve()) },
    })
    fail = true
    failing.table('rows').put(bytes('b'), bytes('half'))
    await t.throwsAsync(failing.commit())
    failing.table('rows').put(bytes('c'), bytes('half'))
    fail = false
    await failing.close()
    await isOld(path)
  })
})

test('a range shows the rows at the time of the call, also when commits run during the iteration', async (t) => {
  await withEnvironment(async (environment) => {
    const table = environment.table('rows')
    for (let i = 0; i < 50; i++) table.put(be64(i), bytes('old'))
    await environment.commit()
    for (let i = 0; i < 50; i += 2) table.put(be64(i), bytes('new'))
    const seen: string[] = []
    for (const [, value] of table.range()) {
      if (seen.length === 5) {
        for (let i = 0; i < 60; i++) table.put(be64(i), bytes('later'))
        await environment.commit()
      }
      seen.push(text(value)!)
    }
    t.deepEqual(
      seen,
      Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? 'new' : 'old')),
    )
  })
})

test('an environment larger than its first map grows, with a range open', async (t) => {
  const scratch = scratchDirectory()
  const { path } = scratch
  const environment = openEnvironment({ path, log: silentLog, mapSize: 256 * 1024 })
  try {
    const table = environment.table('rows')
    for (let i = 0; i < 10; i++) table.put(be64(i), Buffer.alloc(1000, i))
    await environment.commit()
    const rows = table.range()[Symbol.iterator]()
    t.is((rows.next().value as [Uint8Array, Uint8Array])[1][0], 0)
    for (let i = 10; i < 4000; i++) table.put(be64(i), Buffer.alloc(4096, i))
    await environment.commit()
    let count = 1
    for (let next = rows.next(); next.done !== true; next = rows.next()) t.is(next.value[1][0], count++)
    t.is(count, 10)
    t.is([...table.range()].length, 4000)
  } finally {
    await environment.close()
    scratch.remove()
  }
})
