import test from 'ava'
import { KIB, MIB } from '../../base/index.js'
import { pagesOf } from '../../storage/kv/index.js'

/** Rows 0 to `count` - 1, each of `bytes`; counts the rows that were read. */
function tableOf(count: number, bytes: number) {
  const read = { rows: 0 }
  const range = function* ({ start, limit = Infinity }: { start?: Uint8Array; limit?: number } = {}) {
    const from = start === undefined ? 0 : Buffer.from(start).readUInt32BE() + (start.length > 4 ? 1 : 0)
    for (let i = from; i < Math.min(count, from + limit); i++) {
      read.rows++
      const key = Buffer.alloc(4)
      key.writeUInt32BE(i)
      yield [key, Buffer.alloc(bytes)] as const
    }
  }
  return { read, range }
}

test('S-064 a page of rows is bounded by their bytes, and every row is in one page', (t) => {
  const table = tableOf(300, 92 * KIB)
  let rows = 0
  for (const page of pagesOf(table)) {
    t.true(page.reduce((sum, [, value]) => sum + value.length, 0) < MIB + 92 * KIB)
    for (const [key] of page) t.is(Buffer.from(key).readUInt32BE(), rows++)
    t.is(table.read.rows, rows, 'no row is read ahead')
  }
  t.is(rows, 300)
  t.is([...pagesOf(tableOf(10, 10), { pageRows: 4 })].map((page) => page.length).join(), '4,4,2')
})
