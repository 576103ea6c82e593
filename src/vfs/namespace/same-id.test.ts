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
