import test from 'ava'
import { around } from '../../../test/support/sync/around.js'
import { World } from '../../../test/support/sync/world.js'
import { DriveNames } from '../heads/drive-names.js'
import { findVersion, openExisting } from './open-existing.js'

test('S-033 finding a version reads the drive name once, so that what is decided about it is decided about one record', async (t) => {
  const w = await World.open(960)
  t.teardown(() => w.close())
  const device = await w.firstDevice()
  await (await device.start()).syncNow()
  const names = new DriveNames(w.keys)
  let reads = 0
  const node = around(w.node, {
    getName: (name, options) => {
      if (name === names.drive) reads++
      return w.node.getName(name, options)
    },
  })
  const { signal } = new AbortController()
  const found = await findVersion({ node, names, fetch: w.fetch }, { signal, lenient: true })
  t.is(reads, 1)
  const opened = await openExisting({ node, keys: w.keys })
  t.is(reads, 2)
  t.deepEqual(found?.version.root, opened.version.root)
})
