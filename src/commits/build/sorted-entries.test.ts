import test from 'ava'
import { seededRandom, type PlainName } from '../../base/index.js'
import { sortedEntries } from './sorted-entries.js'

const pace = { step: () => Promise.resolve() }

test('S-038 the entries of a directory of any size come in byte order, a bounded number in memory', async (t) => {
  const random = seededRandom(9)
  for (const count of [0, 1, 99, 100, 101, 200, 1000]) {
    const names = Array.from({ length: count }, (_, i) => `${random.next(1e9)}-${i}` as PlainName)
    let reads = 0
    const entries = (): { name: PlainName; ino: number }[] => {
      reads++
      return names.map((name, ino) => ({ name, ino }))
    }
    const sorted: PlainName[] = []
    for await (const { name, ino } of sortedEntries(entries, pace, 100)) {
      t.is(names[ino], name)
      sorted.push(name)
    }
    t.deepEqual(sorted, names.toSorted())
    t.is(reads, Math.max(1, Math.ceil(count / 100)))
  }
})
