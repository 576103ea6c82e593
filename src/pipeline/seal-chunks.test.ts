import test from 'ava'
import { seededRandom } from '../base/index.js'
import { nativeSeal } from '../platform/index.js'
import { createBatchSealer, javascriptSealer, sealedCapacity, type BatchItem } from './seal-chunks.js'
import { rowCapacity, Rows } from './rows.js'

const seed = Number(process.env['SEED'] ?? process.hrtime()[1] | 1)
const random = seededRandom(seed)
const keys = { dedupKey: random.bytes(32), gearKey: random.bytes(32) }
const modes = ['content-defined', 'fixed', 'whole'] as const

/** Items of any lengths one after the other, and their data. */
function makeItems(): { data: Buffer; items: BatchItem[] } {
  const items: BatchItem[] = []
  let offset = 0
  for (let count = random.next(12); count >= 0; count--) {
    const mode = modes[random.next(3)]!
    const length = [random.next(5000), random.next(140_000), random.next(1_044_481)][random.next(3)]!
    items.push({ offset, length, mode, final: random.next(2) === 0 })
    offset += length
  }
  const piece = random.bytes(40_009)
  const data = Buffer.alloc(offset)
  for (let at = 0; at < offset; at += piece.length) {
    data.set(piece.subarray(0, offset - at), at)
    piece[random.next(piece.length)]! ^= 1 + random.next(255)
  }
  return { data, items }
}

test('R-10 batches of random items give the same rows and blocks in both cores, in one step and in two, within their capacity', (t) => {
  t.log(`SEED=${seed}, native core: ${nativeSeal() === undefined ? 'absent' : 'present'}`)
  let chunks = 0
  for (let round = 0; round < 25; round++) {
    const { data, items } = makeItems()
    const results = [createBatchSealer(keys), javascriptSealer(keys)].map((sealer) => {
      const rows = new Rows(rowCapacity(items))
      const out = Buffer.alloc(sealedCapacity(items))
      return { sealer, rows, out, count: sealer.sealBatch(data, items, rows, out) }
    })
    const [first, second] = results
    chunks += first!.count
    t.is(first!.count, second!.count)
    t.true(Buffer.from(first!.rows.bytes).equals(second!.rows.bytes))
    t.true(first!.out.equals(second!.out))
    for (const { sealer, out, rows, count } of results) {
      const again = new Rows(rowCapacity(items))
      const blocks = Buffer.alloc(out.length)
      t.is(sealer.sealBatch(data, items, again, undefined), count)
      sealer.sealRows(data, again, count, blocks)
      t.true(Buffer.from(again.bytes).equals(rows.bytes))
      t.true(blocks.equals(out))
    }
  }
  t.true(chunks > 25)
})
