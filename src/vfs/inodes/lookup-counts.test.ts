import test from 'ava'
import { seededRandom } from '../../base/index.js'
import { LookupCounts } from './lookup-counts.js'

test("S-064 the kernel's references of many inodes are counted as by a plain map", (t) => {
  const random = seededRandom(9)
  const counts = new LookupCounts()
  const model = new Map<number, number>()
  for (let i = 0; i < 20_000; i++) {
    const ino = 1 + random.next(500) + (random.next(4) === 0 ? 2 ** 40 : 0)
    const change = random.next(3) === 0 ? -1 - random.next(3) : 1
    const after = Math.max(0, (model.get(ino) ?? 0) + change)
    model.set(ino, after)
    t.is(counts.add(ino, change), after)
  }
  for (const [ino, count] of model) t.is(counts.has(ino), count > 0)
  counts.clear()
  t.false([...model.keys()].some((ino) => counts.has(ino)))
})
