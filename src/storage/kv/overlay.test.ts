import test from 'ava'
import { seededRandom } from '../../base/index.js'
import { Overlay } from './overlay.js'

test('S-064 a range of pending rows loads no more rows than requested, out of any number', (t) => {
  const overlay = new Overlay()
  const random = seededRandom(3)
  const keys = Array.from({ length: 20_000 }, () => Buffer.from(random.bytes(32)).toString('latin1'))
  for (const [i, key] of keys.entries()) overlay.set(key, i % 3 === 0 ? null : Buffer.of(1))
  const sorted = [...keys].sort()
  const start = sorted[5_000]!
  const page = overlay.between(start, undefined, 100)
  t.is(page.filter(([, value]) => value !== null).length, 100)
  t.deepEqual(
    page.map(([key]) => key),
    sorted.slice(5_000, 5_000 + page.length),
  )
})

test('rows put between two ranges are in key order in the next', (t) => {
  const overlay = new Overlay()
  const model = new Set<string>()
  const random = seededRandom(4)
  for (let round = 0; round < 60; round++) {
    const count = round % 7 === 0 ? 900 : 5
    for (let i = 0; i < count; i++) {
      const key = Buffer.from(random.bytes(3)).toString('latin1')
      overlay.set(key, Buffer.of(round))
      model.add(key)
    }
    const [from, to] = [Buffer.from(random.bytes(1)), Buffer.from(random.bytes(1))].map((key) => key.toString('latin1'))
    const expected = [...model].sort().filter((key) => key >= from! && key < to!)
    t.deepEqual(
      overlay.between(from, to).map(([key]) => key),
      expected,
    )
  }
  t.is(overlay.between(undefined, undefined).length, model.size)
  t.is(overlay.count, model.size)
})
