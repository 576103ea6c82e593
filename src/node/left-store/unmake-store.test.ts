/** A store that was made for nothing: no file of it is left, and nothing else is removed. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { failsWith } from '../../../test/suites/node.suite.js'
import { nameKey, pinTreeOver, rawBlocks } from '../../../test/suites/node-material.js'
import { folder, openAt, use } from '../../../test/support/node/embedded-store.js'
import { lockStore } from '../embedded/store-lock.js'

const forest = pinTreeOver(rawBlocks(20, 5000, 1))

test('S-199 a store that was made for a refused drive is removed when it is closed, and a folder that was there stays', async (t) => {
  const base = await folder(t)
  await mkdir(join(base, 'disk'))
  for (const name of ['disk', 'new']) await use(join(base, name), async (node) => node.abandon?.())
  t.deepEqual(await readdir(base, { recursive: true }), ['disk'])
})

test('S-199 files that others put into such a store meanwhile stay', async (t) => {
  const base = await folder(t)
  const path = join(base, 'store')
  await use(path, async (node) => {
    await writeFile(join(path, 'letter'), 'dear')
    node.abandon?.()
  })
  t.deepEqual(await readdir(base, { recursive: true }), ['store', 'store/letter'])
})

test('S-199 blocks without a pin stay, unless the store was made for a drive that does not use it', async (t) => {
  const base = await folder(t)
  const [kept, abandoned] = [join(base, 'kept'), join(base, 'abandoned')]
  const send = async (path: string, isAbandoned: boolean): Promise<void> =>
    use(path, async (node) => {
      await node.importBlocks(forest.blocks, { roots: [forest.root] })
      if (isAbandoned) node.abandon?.()
    })
  await send(kept, false)
  await send(kept, true)
  await use(kept, async (node) => t.deepEqual(await node.missing([forest.root]), [], 'it was there before'))
  await send(abandoned, true)
  t.deepEqual(await readdir(base), ['kept'])
})

test('S-199 a store with a pin or a name is not removed', async (t) => {
  const base = await folder(t)
  const key = await nameKey(1)
  const record = await key.record(forest.root, 9n)
  await use(join(base, 'named'), async (node) => {
    await node.putName(key.name, record)
    node.abandon?.()
  })
  await use(join(base, 'pinned'), async (node) => {
    await node.importBlocks(forest.blocks, { roots: [forest.root] })
    await node.pin(forest.root, { name: 'mine' })
    node.abandon?.()
  })
  t.deepEqual((await readdir(base)).sort(), ['named', 'pinned'])
})

test('S-199 an opening that fails leaves nothing, also while another program uses the store', async (t) => {
  const base = await folder(t)
  await writeFile(join(base, 'dagdrive-store'), 'dagdrive block store, format 3\n')
  await failsWith(t, ['INVALID'], openAt(base))
  t.deepEqual(await readdir(base), ['dagdrive-store'])
  const path = join(base, 'store')
  await use(path, async (node) => {
    await failsWith(t, ['LOCKED'], openAt(path))
    node.abandon?.()
  })
  t.deepEqual(await readdir(base), ['dagdrive-store'])
})

test('S-040 a lock on a file that was removed meanwhile does not count', async (t) => {
  const base = await folder(t)
  const first = await lockStore(base)
  t.true(first.isNew)
  await first.release()
  const again = await lockStore(base)
  t.false(again.isNew)
  await again.release()
})
