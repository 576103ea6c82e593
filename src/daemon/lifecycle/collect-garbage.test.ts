import test from 'ava'
import { MIB } from '../../base/index.js'
import { garbageCollector } from './collect-garbage.js'

test('S-066 a heap that is full of holes after a load becomes small again', (t) => {
  const collect = garbageCollector()
  const kept = new Map<number, { name: string; ino: number }>()
  for (let i = 0; i < 600_000; i++) kept.set(i, { name: `file-${i}`, ino: i })
  collect(false)
  const full = process.memoryUsage().heapTotal
  for (let i = 0; i < 600_000; i++) if (i % 4 !== 0) kept.delete(i)
  collect(false)
  const { heapTotal, heapUsed } = process.memoryUsage()
  t.log(
    `${Math.round(full / MIB)} MiB before, ${Math.round(heapTotal / MIB)} after, ${Math.round(heapUsed / MIB)} used`,
  )
  t.is(kept.size, 150_000)
  t.true(heapTotal - heapUsed < 48 * MIB && heapTotal < full - 24 * MIB)
})
