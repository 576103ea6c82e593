import test from 'ava'
import { caller, find, name, readInode, scratchDrive, writeFile } from '../../../test/support/vfs/drive.js'
import { pageOf, record, ref, world } from '../../../test/support/vfs/remote.js'
import type { RemoteChild, RemoteSource } from '../../tree-state/index.js'
import { ROOT_INO } from '../tree.js'

const ID = Buffer.alloc(16, 9)

/** Two files of another device with one file id; neither is declared as a hard link. */
function published() {
  const file = (text: string): RemoteChild => ({
    name: name(text),
    record: record(0o100644, { fileId: ID, size: 2, inline: Buffer.from(text) }),
    chunks: undefined,
  })
  const remote: RemoteSource = {
    ...world().source,
    loadDirectory: ({ after }) => Promise.resolve(pageOf([file('s1'), file('s2')], after)),
  }
  return { remote, freshRoot: { record: record(0o040755, { nlink: 2, ref: ref(1), unloaded: true }) } }
}

test('S-144 of two published files with one file id, each that is hard-linked here has an id of its own', async (t) => {
  const scratch = scratchDrive()
  t.teardown(() => scratch.remove())
  const drive = await scratch.open(published())
  const { tree, meta, identities } = drive
  const s1 = (await find(tree, 's1'))!.ino
  const s2 = (await find(tree, 's2'))!.ino
  t.not(s1, s2)
  await tree.link(s1, ROOT_INO, name('t1'), caller)
  await tree.link(s2, ROOT_INO, name('t2'), caller)
  t.notDeepEqual(identities.fileIdOf(s1), identities.fileIdOf(s2))
  t.deepEqual(
    [s1, s2].map((ino) => identities.inoOf(identities.fileIdOf(ino))),
    [s1, s2],
  )
  t.is([...meta.table('ids', { sealed: true }).keys()].length, 2, 'two rows of the link table')
  for (const text of ['s1', 't1']) await tree.unlink(ROOT_INO, name(text), caller)
  tree.forget(s1, 1)
  t.is([...meta.table('ids', { sealed: true }).keys()].length, 1)
  t.is((await readInode(tree, (await find(tree, 't2'))!.ino)).toString(), 's2')
  await drive.shut()
})

test('S-144 the removal of a file does not take the link table row of another one with its id', async (t) => {
  const scratch = scratchDrive()
  t.teardown(() => scratch.remove())
  const drive = await scratch.open(published())
  const { tree, meta, port } = drive
  const s1 = (await find(tree, 's1'))!.ino
  const s2 = (await find(tree, 's2'))!.ino
  await tree.link(s1, ROOT_INO, name('t1'), caller)
  await tree.unlink(ROOT_INO, name('s2'), caller)
  tree.forget(s2, 1)
  await writeFile(tree, 'other', Buffer.from('x'))
  await port.flush()
  t.is([...meta.table('ids', { sealed: true }).keys()].length, 1)
  t.deepEqual([...meta.table('removed', { sealed: true }).range()], [], 'no row is taken from the link table')
  await drive.shut()
})

/** In the root a file, in `folder` the names of others with its id: of a hard link, or each with a count of two. */
function apart(isShared: boolean) {
  const fields = (text: string) => ({ fileId: ID, size: 2, inline: Buffer.from(text) })
  const child = (text: string, nlink: number, shared = false): RemoteChild => ({
    name: name(text),
    record: record(0o100644, { ...fields(shared ? 'hh' : text), nlink }),
    chunks: undefined,
    isShared: shared,
  })
  const folder: RemoteChild = {
    name: name('folder'),
    record: record(0o040755, { nlink: 2, ref: ref(2), unloaded: true, fileId: Buffer.alloc(16, 4) }),
    chunks: undefined,
  }
  const pages = new Map([
    [1, [folder, child('pp', 1)]],
    [2, [child('h1', 2, isShared), child('h2', 2, isShared)]],
  ])
  const remote: RemoteSource = {
    ...world().source,
    loadDirectory: ({ ref: { digest }, after }) => Promise.resolve(pageOf(pages.get(digest[0]!)!, after)),
  }
  return { remote, freshRoot: { record: record(0o040755, { nlink: 3, ref: ref(1), unloaded: true }) } }
}

test('S-158 a plain file that is linked here before a directory with a hard link of its id is read stays another file', async (t) => {
  const scratch = scratchDrive()
  t.teardown(() => scratch.remove())
  const drive = await scratch.open(apart(true))
  const { tree, identities } = drive
  const plain = (await find(tree, 'pp'))!.ino
  await tree.link(plain, ROOT_INO, name('qq'), caller)
  const folder = (await find(tree, 'folder'))!.ino
  const linked = await Promise.all(['h1', 'h2'].map(async (text) => (await find(tree, text, folder))!.ino))
  t.is(linked[0], linked[1])
  t.not(linked[0], plain)
  t.is((await readInode(tree, linked[0]!)).toString(), 'hh')
  t.is((await readInode(tree, plain)).toString(), 'pp')
  t.notDeepEqual(identities.fileIdOf(plain), ID, 'the version has a row of the link table for each')
  t.deepEqual(identities.fileIdOf(linked[0]!), ID)
  await drive.shut()
})

test('S-158 entries that are no hard links stay files of their own, whatever their link count and id', async (t) => {
  const scratch = scratchDrive()
  t.teardown(() => scratch.remove())
  const drive = await scratch.open(apart(false))
  const { tree } = drive
  const folder = (await find(tree, 'folder'))!.ino
  const found = await Promise.all(['h1', 'h2'].map(async (text) => (await find(tree, text, folder))!))
  t.deepEqual(await Promise.all(found.map(async ({ ino }) => (await readInode(tree, ino)).toString())), ['h1', 'h2'])
  t.deepEqual(
    found.map(({ nlink }) => nlink),
    [1, 1],
  )
  await drive.shut()
})

test('S-158 a file that was made here keeps its id when it is linked', async (t) => {
  const scratch = scratchDrive()
  t.teardown(() => scratch.remove())
  const drive = await scratch.open()
  const { tree, identities } = drive
  const ino = await writeFile(tree, 'own', Buffer.from('x'))
  const id = identities.fileIdOf(ino)
  await tree.link(ino, ROOT_INO, name('second'), caller)
  t.deepEqual(identities.fileIdOf(ino), id)
  await drive.shut()
})
