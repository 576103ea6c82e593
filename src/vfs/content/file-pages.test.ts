import test, { type ExecutionContext } from 'ava'
import { seededRandom, silentLog } from '../../base/index.js'
import { openEnvironment, type Environment, type RowSealer, type Table } from '../../storage/kv/index.js'
import { PAGE_BYTES, pageKey } from '../../tree-state/index.js'
import { scratchDirectory, testSealer } from '../../../test/support/storage/storage.js'
import { FilePages } from './file-pages.js'

const INO = 7
/** Pages in three stretches, which are looked up separately. */
const PAGES = 3 * 32_768

interface Opened {
  readonly environment: Environment
  readonly table: Table
  /** Rows decrypted so far. */
  opens: number
}

function openTable(t: ExecutionContext): Opened {
  const scratch = scratchDirectory()
  const inner = testSealer()
  const sealer: RowSealer = {
    ...inner,
    open(aad, sealed) {
      found.opens++
      return inner.open(aad, sealed)
    },
  }
  const environment = openEnvironment({ path: scratch.path, sealer, log: silentLog })
  const found: Opened = { environment, table: environment.table('pages', { sealed: true }), opens: 0 }
  t.teardown(async () => {
    await environment.close()
    scratch.remove()
  })
  return found
}

test('S-089 the set of staged pages of a file is known without reading a page', async (t) => {
  const opened = openTable(t)
  const before = new FilePages(opened.table, INO, true)
  for (let index = 0; index < 5_000; index++) before.stage(index * 9, Buffer.alloc(PAGE_BYTES), 1, false)
  await opened.environment.commit()
  const pages = new FilePages(opened.table, INO, false)
  t.is([...pages.between(0, Infinity)].length, 5_000)
  t.true(pages.has(9))
  t.false(pages.has(10))
  t.is(opened.opens, 0)
  t.is(pages.lengthOf(18), PAGE_BYTES)
})

test('S-089 staged and held pages match a full list after random changes and reopenings', async (t) => {
  const { environment, table } = openTable(t)
  const random = seededRandom(31)
  const model = new Map<number, { length: number; fill: number; held: boolean }>()
  let pages = new FilePages(table, INO, true)
  const somewhere = (): number => (random.next(2) === 0 ? random.next(60) : random.next(PAGES))
  const known = (): number => [...model.keys()][random.next(model.size)] ?? 0
  for (let step = 0; step < 6_000; step++) {
    const index = random.next(3) === 0 ? somewhere() : known()
    const length = random.next(2) === 0 ? PAGE_BYTES : 1 + random.next(PAGE_BYTES)
    const fill = random.next(256)
    const draw = random.next(100)
    if (draw < 40) {
      pages.stage(index, Buffer.alloc(length, fill), step + 1, random.next(2) === 0)
      model.set(index, { length, fill, held: false })
    } else if (draw < 55) {
      pages.hold(index, { length, data: Buffer.alloc(PAGE_BYTES, fill), epoch: step + 1 })
      model.set(index, { length, fill, held: true })
    } else if (draw < 75) {
      pages.drop(index)
      model.delete(index)
    } else if (draw < 85) {
      const page = model.get(index)
      const keep = Math.ceil((page?.length ?? 0) / 2)
      pages.change(index, (bytes) => bytes.fill(fill).subarray(0, keep), keep)
      if (page !== undefined) model.set(index, { ...page, length: keep, fill })
    } else if (draw < 88) pages.settle(step)
    else if (draw < 89) {
      for (const [at, page] of model) if (page.held) pages.stage(at, pages.bytesOf(at), step, false)
      for (const page of model.values()) page.held = false
      if (random.next(2) === 0) await environment.commit()
      pages = new FilePages(table, INO, false)
    } else {
      const page = model.get(index)
      t.is(pages.has(index), page !== undefined)
      t.is(pages.lengthOf(index), page?.length ?? 0)
      if (page !== undefined) t.deepEqual(Buffer.from(pages.bytesOf(index)), Buffer.alloc(page.length, page.fill))
      const [first, last] = [somewhere(), random.next(4) === 0 ? Infinity : somewhere() + 100]
      const wanted = [...model.keys()].filter((at) => at >= first && at <= last).sort((a, b) => a - b)
      t.deepEqual([...pages.between(first, last)], wanted)
    }
  }
  for (const index of [...pages.between(0, Infinity)]) pages.drop(index)
  t.true(pages.count === 0 && !pages.has(known()))
  t.is(table.get(pageKey(INO, known())), undefined)
})
