import test from 'ava'
import { seededRandom } from '../../../base/index.js'
import { BlockBitmap } from './block-bitmap.js'

const BLOCKS = 3 * 32_768 + 100

test('S-058 after random additions and removals, the set finds the same blocks as a list of booleans', (t) => {
  const chance = seededRandom(11)
  const set = new BlockBitmap()
  const model = new Uint8Array(BLOCKS)
  for (let round = 0; round < 300; round++) {
    const from = chance.next(BLOCKS)
    const to = Math.min(BLOCKS, from + 1 + chance.next(chance.next(3) === 0 ? BLOCKS : 200))
    const isAdded = chance.next(5) > 1
    if (isAdded) set.add(from, to)
    else set.remove(from, chance.next(4) === 0 ? Infinity : to)
    if (!isAdded && set.nextIn(to) === undefined) model.fill(0, from)
    else model.fill(isAdded ? 1 : 0, from, to)
    t.is(
      set.count,
      model.reduce((sum, bit) => sum + bit, 0),
    )
    for (let look = 0; look < 20; look++) {
      const at = chance.next(BLOCKS)
      const next = model.indexOf(1, at)
      t.is(set.nextIn(at), next < 0 ? undefined : next)
      const gap = model.indexOf(0, at)
      t.is(set.nextOut(at), gap < 0 ? BLOCKS : gap)
      t.is(set.has(at), model[at] === 1)
    }
  }
})

test('S-058 distant ranges of whole chunks are added and removed at once', (t) => {
  const set = new BlockBitmap()
  set.add(2 ** 40, 2 ** 40 + 32_768 * 40)
  t.is(set.count, 32_768 * 40)
  t.is(set.nextIn(5), 2 ** 40)
  t.is(set.nextOut(2 ** 40 + 7), 2 ** 40 + 32_768 * 40)
  set.remove(0, Infinity)
  t.is(set.count, 0)
  t.is(set.nextIn(0), undefined)
})

test('S-117 a set of a petabyte of blocks takes a few pieces of memory, and changes at once', (t) => {
  const set = new BlockBitmap()
  set.add(0, 2 ** 40 + 5)
  t.is(set.count, 2 ** 40 + 5)
  t.true(set.fragments <= 2)
  set.remove(2 ** 39 + 7, 2 ** 39 + 9)
  t.is(set.nextOut(3), 2 ** 39 + 7)
  t.is(set.nextIn(2 ** 39 + 7), 2 ** 39 + 9)
  t.is(set.nextOut(2 ** 39 + 9), 2 ** 40 + 5)
  t.is(set.count, 2 ** 40 + 3)
  t.true(set.fragments <= 4)
  set.add(2 ** 39 + 7, 2 ** 39 + 9)
  t.true(set.fragments <= 2)
  set.remove(1, Infinity)
  t.deepEqual([set.count, set.nextIn(0), set.nextIn(1)], [1, 0, undefined])
})
