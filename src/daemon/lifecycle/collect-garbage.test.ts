import test from 'ava'
import { MIB } from '../../base/index.js'
import { until } from '../../../test/support/until.js'
import { garbageCollector } from './collect-garbage.js'

test('S-066 a heap that is full of holes after a load becomes small again', (t) => {
  const collector = garbageCollector()
  const kept = new Map<number, { name: string; ino: number }>()
  for (let i = 0; i < 600_000; i++) kept.set(i, { name: `file-${i}`, ino: i })
  collector.collectAtRest()
  const full = process.memoryUsage().heapTotal
  for (let i = 0; i < 600_000; i++) if (i % 4 !== 0) kept.delete(i)
  collector.collectAtRest()
  const { heapTotal, heapUsed } = process.memoryUsage()
  t.log(
    `${Math.round(full / MIB)} MiB before, ${Math.round(heapTotal / MIB)} after, ${Math.round(heapUsed / MIB)} used`,
  )
  t.is(kept.size, 150_000)
  t.true(heapTotal - heapUsed < 48 * MIB && heapTotal < full - 24 * MIB)
})

test('S-066 under load garbage goes through a collection beside the work, and a scattered heap becomes small', async (t) => {
  const collector = garbageCollector()
  const kept = new Map<number, { name: string; ino: number }>()
  for (let i = 0; i < 600_000; i++) kept.set(i, { name: `file-${i}`, ino: i })
  collector.collectAtRest()
  const { heapTotal: full, heapUsed: used } = process.memoryUsage()
  for (let i = 0; i < 600_000; i++) if (i % 4 !== 0) kept.delete(i)
  collector.begin()
  t.true(await until(() => process.memoryUsage().heapUsed < used - 24 * MIB))
  collector.finish()
  const { heapTotal, heapUsed } = process.memoryUsage()
  t.is(kept.size, 150_000)
  t.true(heapTotal - heapUsed < 48 * MIB && heapTotal < full - 24 * MIB)
})
