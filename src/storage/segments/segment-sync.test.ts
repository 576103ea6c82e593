import test from 'ava'
import { SegmentSync } from './segment-sync.js'
import { scratchDirectory } from '../../../test/support/storage/storage.js'

test('every segment with newly indexed bytes is synced by the commit that froze it, once', async (t) => {
  const scratch = scratchDirectory()
  const synced: number[] = []
  const sync = new SegmentSync(scratch.path, { sync: async (segment) => void synced.push(segment) })
  sync.add(1)
  sync.freeze()
  sync.add(2)
  await sync.run()
  t.deepEqual(synced, [1])
  sync.freeze()
  await sync.run()
  await sync.run()
  t.deepEqual(synced, [1, 2])
  scratch.remove()
})

test('S-043 after a failed sync the segment stays in doubt until its blocks are elsewhere, although a second sync would succeed', async (t) => {
  const scratch = scratchDirectory()
  let fail = true
  const sync = new SegmentSync(scratch.path, {
    sync: (segment) => (fail && segment === 1 ? Promise.reject(new Error('EIO')) : Promise.resolve()),
  })
  sync.add(1)
  sync.add(2)
  sync.freeze()
  await t.throwsAsync(sync.run(), { message: 'EIO' })
  fail = false
  t.deepEqual([...sync.doubtful], [1])
  sync.forget(1)
  await sync.run()
  t.deepEqual([...sync.doubtful], [])
  sync.add(1)
  t.deepEqual([...sync.doubtful], [1], 'the same failure may have lost bytes indexed later')
  scratch.remove()
})

test('S-043 a sync that failed for lack of descriptors is simply retried', async (t) => {
  const scratch = scratchDirectory()
  const synced: number[] = []
  let fail = true
  const sync = new SegmentSync(scratch.path, {
    sync: async (segment) => {
      if (fail) throw Object.assign(new Error('EMFILE'), { code: 'EMFILE', syscall: 'open' })
      synced.push(segment)
    },
  })
  sync.add(1)
  sync.freeze()
  await t.throwsAsync(sync.run(), { message: 'EMFILE' })
  fail = false
  t.is(sync.doubtful.size, 0)
  await sync.run()
  t.deepEqual(synced, [1])
  scratch.remove()
})
