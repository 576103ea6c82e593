import { decode, encode } from '@ipld/dag-cbor'
import test from 'ava'
import { isDriveError, seededRandom } from '../base/index.js'
import { CborReader } from './cbor-reader.js'
import { CborWriter } from './cbor-writer.js'

const INTS = [0, 1, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]

test('the writer makes the bytes @ipld/dag-cbor makes, and the reader opens them', (t) => {
  const ints = [...INTS, ...INTS.slice(1).map((n) => -n)]
  const strings = ['', 'a', 'é€😀', 'x'.repeat(300)]
  const blobs = [0, 1, 23, 24, 255, 256, 70_000].map((length) => new Uint8Array(length).fill(7))
  const writer = new CborWriter().array(4).array(ints.length)
  for (const value of ints) writer.int(value)
  writer.array(strings.length)
  for (const value of strings) writer.text(value)
  writer.array(blobs.length)
  for (const value of blobs) writer.bytes(value)
  const bytes = writer.map(2).text('b').null().text('aa').int(5).take()
  t.deepEqual(bytes, new Uint8Array(encode([ints, strings, blobs, { aa: 5, b: null }])))
  const reader = new CborReader(bytes)
  reader.tuple(4)
  t.deepEqual(
    Array.from({ length: reader.array(99) }, () => reader.int(Number.MIN_SAFE_INTEGER)),
    ints,
  )
  t.deepEqual(
    Array.from({ length: reader.array(99) }, () => reader.text(1000)),
    strings,
  )
  t.deepEqual(
    Array.from({ length: reader.array(99) }, () => reader.bytes(0, 70_000)),
    blobs,
  )
  reader.map(2)
  reader.key('b')
  t.true(reader.null())
  reader.key('aa')
  t.is(reader.int(), 5)
  reader.end()
})

test('non-canonical, out-of-range and truncated input is CORRUPT', (t) => {
  const cases: [string, (reader: CborReader) => unknown][] = [
    ['1817', (r) => r.int()],
    ['190017', (r) => r.int()],
    ['1a00000017', (r) => r.int()],
    ['1b0000000000000017', (r) => r.int()],
    ['1b0020000000000000', (r) => r.int()],
    ['1bffffffffffffffff', (r) => r.int()],
    ['3bffffffffffffffff', (r) => r.int(Number.MIN_SAFE_INTEGER)],
    ['f5', (r) => r.int()],
    ['1f', (r) => r.int()],
    ['5f', (r) => r.bytes(0, 100)],
    ['5bffffffffffffffff', (r) => r.bytes(0, 2 ** 53 - 1)],
    ['5a7fffffff', (r) => r.bytes(0, 2 ** 53 - 1)],
    ['9bffffffffffffffff', (r) => r.array(2 ** 53 - 1)],
    ['9a7fffffff', (r) => r.array(2 ** 53 - 1)],
    ['62c328', (r) => r.text(10)],
    ['43010203', (r) => r.bytes(4)],
    ['43010203', (r) => r.bytes(2)],
    ['4301', (r) => r.bytes(3)],
    ['', (r) => r.int()],
    ['0000', (r) => [r.int(), r.end()]],
    ['d82a40', (r) => r.bytes(0)],
  ]
  for (const [text, read] of cases) {
    const error = t.throws(() => read(new CborReader(Buffer.from(text, 'hex'))), undefined, text)
    t.true(isDriveError(error, 'CORRUPT'), text)
  }
})

test('numbers: random ones round-trip and agree with @ipld/dag-cbor', (t) => {
  const seed = 21
  const random = seededRandom(seed)
  for (let round = 0; round < 2000; round++) {
    const value = Math.floor(random.next(2 ** 31) * 2 ** random.next(23)) * (random.next(2) === 0 ? 1 : -1) + 0
    const bytes = new CborWriter().int(value).take()
    t.is(decode(bytes), value, `seed ${seed}`)
    t.is(new CborReader(bytes).int(Number.MIN_SAFE_INTEGER), value)
  }
})
