import test from 'ava'
import { seededRandom } from '../../base/index.js'
import { encodeChunk, chunkKey, secondOf, type ChunkRecord } from '../../tree-state/index.js'
import { ChunkRows } from './chunk-rows.js'

const INO = 7
const KIB = 1024
const FILE_BYTES = 100_000 * 64 * KIB

/** An in-memory table of chunk rows that counts the rows read. */
class MemoryRows {
  *range({ start, limit = Infinity }: { start?: Uint8Array; limit?: number } = {}): Generator<
    readonly [Uint8Array, Uint8Array]
  > {
    // A longer key is the key directly after that of a row.
    const from = start === undefined || start.length < 16 ? 0 : secondOf(start) + start.length - 16
    let left = limit
    for (const row of this.rows) {
      if (row.offset < from || left-- <= 0) continue
      this.read++
      yield [chunkKey(INO, row.offset), encodeChunk(row)]
    }
  }

  rows: ChunkRecord[] = []
  read = 0
}

function row(offset: number, length: number, mark: number): ChunkRecord {
  return { offset, length, skip: 0, digest: Buffer.alloc(32, mark), key: Buffer.alloc(32, mark), born: mark }
}

test('S-064 in a file with 100,000 chunks, a random read loads some thousand rows', (t) => {
  const table = new MemoryRows()
  for (let at = 0; at < FILE_BYTES; at += 64 * KIB) table.rows.push(row(at, 64 * KIB, 1))
  const rows = new ChunkRows(table, INO, false)
  for (const at of [0, FILE_BYTES - 1, FILE_BYTES / 2 + 5]) {
    table.read = 0
    t.is(rows.after(at)?.offset, Math.floor(at / (64 * KIB)) * 64 * KIB)
    t.is(rows.within(at, at + 1).length, 1)
    t.true(table.read < 3_000, `${table.read} rows were read`)
  }
  t.is(rows.after(FILE_BYTES), undefined)
  // A copy from start to end reads its own windows repeatedly.
  table.read = 0
  for (let i = 0; i < 200; i++) {
    rows.after(i * 64 * KIB)
    rows.insert([row(FILE_BYTES + i * 64 * KIB, 64 * KIB, 2)])
    table.rows.push(row(FILE_BYTES + i * 64 * KIB, 64 * KIB, 2))
    t.is(rows.after(FILE_BYTES + i * 64 * KIB)?.born, 2)
  }
  t.true(table.read < 6_000, `${table.read} rows were read`)
})

test('S-064 scattered reads of a file with 2,048 chunks load each row about once', (t) => {
  const table = new MemoryRows()
  for (let i = 0; i < 2_048; i++) table.rows.push(row(i * 256 * KIB, 256 * KIB, 1))
  const rows = new ChunkRows(table, INO, false)
  const random = seededRandom(3)
  for (let i = 0; i < 4_000; i++) {
    const at = random.next(2_048 * 64) * 4 * KIB
    t.is(rows.within(at, at + 4 * KIB)[0]?.offset, Math.floor(at / (256 * KIB)) * 256 * KIB)
  }
  t.true(table.read < 2 * 2_048, `${table.read} rows were read`)
})

test('after random changes, the windows find the same rows as a full list', (t) => {
  const random = seededRandom(12)
  const table = new MemoryRows()
  const rows = new ChunkRows(table, INO, true)
  const slot = 256 * KIB
  const slots = 20_000
  for (let round = 0; round < 3_000; round++) {
    // Mostly near the last position, sometimes far away.
    const first = random.next(8) === 0 ? random.next(slots) : random.next(50) + (round % slots)
    const count = 1 + random.next(round % 100 === 0 ? 1500 : 4)
    const [from, to] = [first * slot, (first + count) * slot]
    const old = rows.within(from, to)
    t.deepEqual(
      old.map(({ offset, born }) => [offset, born]),
      table.rows.filter(({ offset }) => offset >= from && offset < to).map(({ offset, born }) => [offset, born]),
    )
    rows.remove(old)
    const added = Array.from({ length: count }, (_, i) => i)
      .filter(() => random.next(3) > 0)
      .map((i) => row(from + i * slot, slot - random.next(2) * 1000, 1 + (round % 250)))
    table.rows = [
      ...table.rows.filter(({ offset }) => offset < from),
      ...added,
      ...table.rows.filter(({ offset }) => offset >= to),
    ]
    rows.insert(added)
    const at = random.next(slots) * slot
    t.is(rows.after(at)?.offset, table.rows.find((each) => each.offset + each.length > at)?.offset)
  }
  t.deepEqual(
    [...rows].map(({ offset }) => offset),
    table.rows.map(({ offset }) => offset),
  )
})
