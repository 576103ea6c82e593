/** Removing the store that a drive left: only its own files, and to the end after an interruption. */
import { access, link, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test from 'ava'
import { failsWith } from '../../../test/suites/node.suite.js'
import { nameKey, pinTreeOver, rawBlocks } from '../../../test/suites/node-material.js'
import { folder, openAt, use } from '../../../test/support/node/embedded-store.js'
import { finishRemoval, openLeftStore } from './left-store.js'

const forest = pinTreeOver(rawBlocks(20, 5000, 1))

async function makeStore(path: string): Promise<void> {
  await use(path, async (node) => {
    await node.importBlocks(forest.blocks, { roots: [forest.root] })
    await node.pin(forest.root, { name: 'mine' })
  })
}

test('S-185 what a left store keeps is known, and all of its files are removed', async (t) => {
  const path = join(await folder(t), 'node')
  t.is(await openLeftStore(path), undefined)
  await makeStore(path)
  const key = await nameKey(1)
  const record = await key.record(forest.root, 9n)
  await use(path, (node) => node.putName(key.name, record))
  const bytes = (await stat(join(path, 'segments', '00000001.seg'))).size
  for (const name of ['roots.new', 'blocks.sorted.new', 'blocks.log.new']) await writeFile(join(path, name), 'x')
  const store = await openLeftStore(path)
  t.deepEqual(store?.pins, [forest.root])
  t.deepEqual([...store!.names].map(([name, held]) => [name, Buffer.from(held)]), [[key.name, Buffer.from(record)]]) // prettier-ignore
  t.deepEqual(Buffer.from(await store!.getBlock(forest.blocks[0]!.cid)), Buffer.from(forest.blocks[0]!.bytes))
  await failsWith(t, ['LOCKED'], openAt(path))
  const { freedBytes, left } = await store!.remove()
  t.is(left, 0)
  t.true(freedBytes >= bytes)
  t.deepEqual(await readdir(dirname(path)), [])
})

test('S-185 a store that was only looked at is whole and can be used', async (t) => {
  const path = join(await folder(t), 'node')
  await makeStore(path)
  await (await openLeftStore(path))!.close()
  await use(path, async (node) => t.deepEqual(await node.listPins(), [{ cid: forest.root, name: 'mine' }]))
  t.is(await finishRemoval(path), undefined)
})

test('S-185 files and links that are not the store stay, and so does what a link leads to', async (t) => {
  const base = await folder(t)
  const path = join(base, 'node')
  await makeStore(path)
  await mkdir(join(base, 'photos'))
  await writeFile(join(base, 'photos', '00000007.seg'), 'cat')
  await writeFile(join(base, 'letter'), 'dear')
  const segments = join(path, 'segments')
  await writeFile(join(segments, 'notes.txt'), 'mine')
  await symlink(join(base, 'letter'), join(segments, '00000099.seg'))
  await link(join(base, 'letter'), join(segments, '00000098.seg'))
  await symlink(join(base, 'photos'), join(path, 'more'))
  await mkdir(join(path, 'reserve.d'))
  // A store with a link among its segments is not opened. It may be put there between two steps of a removal.
  await failsWith(t, ['INVALID'], openLeftStore(path))
  await rename(path, `${path}.forgotten`)
  const { left, where } = (await finishRemoval(path))!
  t.deepEqual((await readdir(where)).toSorted(), ['more', 'reserve.d', 'segments'])
  t.is(left, 3)
  t.deepEqual((await readdir(join(where, 'segments'))).toSorted(), ['00000099.seg', 'notes.txt'])
  t.is(await readFile(join(base, 'letter'), 'utf8'), 'dear')
  t.is(await readFile(join(base, 'photos', '00000007.seg'), 'utf8'), 'cat')
  // The next store is not mixed with what is left.
  await makeStore(path)
  const next = await openLeftStore(path)
  await failsWith(t, ['NOT_EMPTY'], next!.remove())
  await use(path, async (node) => t.is((await node.listPins()).length, 1))
})

test('S-185 a link in place of the folder of segments, or of the store, is not followed', async (t) => {
  const base = await folder(t)
  const path = join(base, 'node')
  const real = join(base, 'real')
  await makeStore(real)
  await symlink(real, path)
  await failsWith(t, ['INVALID'], openLeftStore(path))
  await rename(path, `${path}.forgotten`)
  t.is(await finishRemoval(path), undefined)
  await rm(`${path}.forgotten`)
  await mkdir(`${path}.forgotten`)
  await symlink(join(real, 'segments'), join(`${path}.forgotten`, 'segments'))
  t.is((await finishRemoval(path))?.left, 1)
  await use(real, async (node) => t.is((await node.missing(forest.blocks.map(({ cid }) => cid))).length, 0))
})

test('S-185 a removal that was killed at any step is finished by the next one', async (t) => {
  const base = await folder(t)
  const path = join(base, 'node')
  await makeStore(path)
  const names = ['segments/00000001.seg', 'segments', 'dagdrive-store', 'blocks.log', 'roots', 'roots.copy', 'lock']
  for (let done = 0; done <= names.length; done++) {
    await makeStore(path)
    await rename(path, `${path}.forgotten`)
    for (const name of names.slice(0, done)) await rm(join(`${path}.forgotten`, name), { recursive: true, force: true })
    t.is((await finishRemoval(path))?.left, 0)
    await t.throwsAsync(access(`${path}.forgotten`))
  }
  t.is(await finishRemoval(path), undefined)
})
