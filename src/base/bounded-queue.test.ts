import test from 'ava'
import { BoundedQueue, forEachBounded, isDriveError } from './index.js'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('no more tasks run than allowed, in order of arrival, urgent ones first', async (t) => {
  const queue = new BoundedQueue(2)
  const begun: string[] = []
  const ends: (() => void)[] = []
  const add = (name: string, urgent = false): Promise<void> =>
    queue.run(() => (begun.push(name), new Promise((resolve) => ends.push(resolve))), { urgent })
  const all = [add('a'), add('b'), add('c'), add('d', true)]
  await turn()
  t.deepEqual(begun, ['a', 'b'])
  t.is(queue.load, 4)
  for (let at = 0; at < 4; at++) {
    ends[at]!()
    await turn()
  }
  t.deepEqual(begun, ['a', 'b', 'd', 'c'])
  await Promise.all(all)
  t.is(queue.load, 0)
})

test('a waiting task can be cancelled, and a failed task frees its slot', async (t) => {
  const queue = new BoundedQueue(1)
  let fail: () => void = () => undefined
  const first = queue.run(() => new Promise((_, reject) => (fail = () => reject(new Error('it failed')))))
  const stop = new AbortController()
  const second = queue.run(async () => t.fail('it was cancelled'), { signal: stop.signal })
  const third = queue.run(async () => 3)
  stop.abort()
  t.true(isDriveError(await t.throwsAsync(second), 'ABORTED'))
  fail()
  await t.throwsAsync(first, { message: 'it failed' })
  t.is(await third, 3)
})

test('work over many items is bounded, and takes an item only when a slot is free', async (t) => {
  let [taken, running, most, done] = [0, 0, 0, 0]
  function* items(): Generator<number> {
    for (; taken < 50; taken++) {
      t.true(taken - done <= 4)
      yield taken
    }
  }
  await forEachBounded(items(), 4, async () => {
    most = Math.max(most, ++running)
    await turn()
    running--
    done++
  })
  t.is(done, 50)
  t.is(most, 4)
})

test('after a failure no more items are taken, running ones end, and the first failure is thrown', async (t) => {
  const seen: number[] = []
  let ended = 0
  const work = async (item: number): Promise<void> => {
    seen.push(item)
    await turn()
    if (item === 1) throw new Error('the second failed')
    await turn()
    ended++
  }
  await t.throwsAsync(forEachBounded([0, 1, 2, 3, 4, 5], 3, work), { message: 'the second failed' })
  t.deepEqual(seen, [0, 1, 2])
  t.is(ended, 2)
})
