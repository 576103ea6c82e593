import test from 'ava'
import { KIB } from '../../base/index.js'
import { SealMemory } from './seal-memory.js'

test('R-76 pieces of seal memory never overlap, also of sizes that do not fill a slab', (t) => {
  const memory = new SealMemory()
  const sizes = Array.from({ length: 400 }, (_, i) => (i % 7 === 0 ? 100_000 : 1 + i * 13))
  const taken = sizes.map((size, i) => memory.take(size).fill(i & 0xff))
  for (const [i, bytes] of taken.entries()) {
    t.is(bytes.length, sizes[i]!)
    t.true(bytes.every((byte) => byte === (i & 0xff)))
  }
})

test('R-76 the next commit uses the same memory; what a commit does not need is released', (t) => {
  const memory = new SealMemory()
  const take = (count: number): ArrayBufferLike[] => Array.from({ length: count }, () => memory.take(200 * KIB).buffer)
  const first = take(5)
  memory.reuse()
  t.deepEqual(new Set(take(2)), new Set(first.slice(0, 2)))
  memory.reuse()
  const third = take(5)
  t.deepEqual(third.slice(0, 2), first.slice(0, 2))
  t.false(third.slice(2).some((slab) => first.includes(slab)))
})

test('R-76 a value larger than a slab gets memory of its own', (t) => {
  const memory = new SealMemory()
  const small = memory.take(10)
  const large = memory.take(300 * KIB)
  t.is(large.length, 300 * KIB)
  t.not(large.buffer, small.buffer)
  t.is(memory.take(10).buffer, small.buffer)
})
