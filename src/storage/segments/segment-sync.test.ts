import test from 'ava'
import { isDriveError } from '../../base/index.js'
import { SegmentSync } from './segment-sync.js'
import { scratchDirectory } from '../../../test/support/storage/storage.js'

test('every segment that got indexed bytes is synced by the commit that froze it, once', async (t) => {
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

test('after a failed sync every later commit fails too, although the disk would say yes', async (t) => {
  const scratch = scratchDirectory()
  let fail = true
  const sync = new SegmentSync(scratch.path, {
    sync: () => (fail ? Promise.reject(new Error('EIO')) : Promise.resolve()),
  })
  sync.add(1)
  sync.freeze()
  t.true(isDriveError(await t.throwsAsync(sync.run()), 'INTERNAL'))
  fail = false
  t.true(isDriveError(await t.throwsAsync(sync.run()), 'INTERNAL'))
  scratch.remove()
})
