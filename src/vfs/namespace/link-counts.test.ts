import test from 'ava'
import { caller, codeOf, createFile, find, name, readInode, scratchDrive } from '../../../test/support/vfs/drive.js'
import { pageOf, record, ref, world } from '../../../test/support/vfs/remote.js'
import { DriveError } from '../../base/index.js'
import type { InodeRecord, RemoteChild, RemoteSource } from '../../tree-state/index.js'
import { ROOT_INO, type Tree } from '../tree.js'

const id = (n: number): Buffer => Buffer.alloc(16, n)

const directory = (text: string, of: number, nlink: number): RemoteChild => ({
  name: name(text),
  record: record(0o040755, { nlink, ref: ref(of), unloaded: true, fileId: id(of) }),
  chunks: undefined,
})

const shared = (text: string, nlink: number): RemoteChild => ({
  name: name(text),
  record: record(0o100644, { fileId: id(99), nlink, size: 2, inline: Buffer.from('hi') }),
  chunks: undefined,
  isShared: true,
})

/** A published tree with these directories; 1 is the root, with that link count. */
function publishedTree(directories: ReadonlyMap<number, readonly RemoteChild[]>, rootLinks = 3) {
  const remote: RemoteSource = {
    ...world().source,
    loadDirectory: ({ ref: { digest }, after }) => Promise.resolve(pageOf(directories.get(digest[0]!) ?? [], after)),
  }
  const root: InodeRecord = record(0o040755, { nlink: rootLinks, ref: ref(1), unloaded: true })
  return { remote, freshRoot: { record: root } }
}

async function linksOf(tree: Tree, text: string, parent?: number): Promise<number> {
  return (await find(tree, text, parent))!.nlink
}

for (const nlink of [0, 1, 2, 0xffff_fffe, 0xffff_ffff]) {
  test(`S-116 a directory that another device published with the link count ${nlink} works: the count is that of its subdirectories`, async (t) => {
    const scratch = scratchDrive()
    t.teardown(() => scratch.remove())
    const options = publishedTree(
      new Map([
        [1, [directory('p', 2, nlink)]],
        [2, [directory('s1', 3, nlink), directory('s2', 4, nlink), shared('keep', 1)]],
      ]),
      nlink,
    )
    let drive = await scratch.open(options)
    const p = (await find(drive.tree, 'p'))!.ino
    await find(drive.tree, 's1', p)
    t.deepEqual([await linksOf(drive.tree, 'p'), (await drive.tree.getAttributes(ROOT_INO, caller)).nlink], [4, 3])
    for (const text of ['s1', 's2']) await drive.tree.removeDirectory(p, name(text), caller)
    t.is(await linksOf(drive.tree, 'p'), 2)
    await createFile(drive.tree, 'new', p)
    for (const text of ['a', 'b', 'c']) await drive.tree.makeDirectory(p, name(text), 0o755, caller)
    await drive.tree.rename({ parent: p, name: name('a') }, { parent: ROOT_INO, name: name('a') }, 0, caller)
    for (let mount = 0; mount < 2; mount++) {
      await drive.shut()
      drive = await scratch.open(options)
      t.is(await linksOf(drive.tree, 'p'), 4)
      t.is((await drive.tree.getAttributes(ROOT_INO, caller)).nlink, 4)
      const keep = await find(drive.tree, 'keep', p)
      t.is((await readInode(drive.tree, keep!.ino)).toString(), 'hi')
      t.not(await find(drive.tree, 'new', p), undefined)
    }
    await drive.shut()
  })
}

test('S-116 the subdirectories of a directory whose load was interrupted are counted too', async (t) => {
  const scratch = scratchDrive()
  t.teardown(() => scratch.remove())
  const children = [directory('a', 2, 2), directory('b', 3, 2), directory('c', 4, 2)]
  let isAway = true
  const options = publishedTree(new Map())
  const loadDirectory: RemoteSource['loadDirectory'] = ({ after }) => {
    const from = after === undefined ? 0 : children.findIndex((child) => child.name === after) + 1
    if (from === 2 && isAway) return Promise.reject(new DriveError('OFFLINE', 'No node is connected.'))
    return Promise.resolve({ children: children.slice(from, from + 1), isLast: from === 2 })
  }
  const remote = { ...options.remote, loadDirectory }
  const drive = await scratch.open({ ...options, remote })
  t.is(await codeOf(() => find(drive.tree, 'a')), 'OFFLINE')
  await drive.shut()
  isAway = false
  const again = await scratch.open({ ...options, remote })
  await find(again.tree, 'a')
  t.is((await again.tree.getAttributes(ROOT_INO, caller)).nlink, 5)
  await again.shut()
})

for (const nlink of [0, 1, 2, 3, 4, 0xffff_ffff]) {
  test(`S-116 a file with three names, published with the link count ${nlink}, stays until the last known name is removed`, async (t) => {
    const scratch = scratchDrive()
    t.teardown(() => scratch.remove())
    const options = publishedTree(
      new Map([
        [1, [directory('d', 2, 2), shared('x', nlink), shared('y', nlink)]],
        [2, [shared('z', nlink)]],
      ]),
    )
    let drive = await scratch.open(options)
    const d = (await find(drive.tree, 'd'))!.ino
    const inos = [await find(drive.tree, 'x'), await find(drive.tree, 'y'), await find(drive.tree, 'z', d)]
    t.is(new Set(inos.map((each) => each!.ino)).size, 1, 'one file')
    for (const text of ['x', 'y']) {
      await drive.tree.unlink(ROOT_INO, name(text), caller)
      await drive.shut()
      drive = await scratch.open(options)
      const left = await find(drive.tree, 'z', d)
      t.true(left!.nlink >= 1)
      t.is((await readInode(drive.tree, left!.ino)).toString(), 'hi')
    }
    await drive.tree.unlink(d, name('z'), caller)
    t.is(await codeOf(() => drive.tree.getAttributes(inos[0]!.ino, caller)), 'STALE')
    t.is((await drive.port.counts()).total.files, 0, 'it counts no longer')
    await drive.shut()
  })
}

for (const hasUnreadable of [false, true]) {
  test(`S-116 a linked file whose last known name is removed ${hasUnreadable ? 'stays while a folder has entries that cannot be read' : 'counts until every directory is loaded'}`, async (t) => {
    const scratch = scratchDrive()
    t.teardown(() => scratch.remove())
    const options = publishedTree(
      new Map([
        [1, [directory('d', 2, 2), directory('e', 3, 2), shared('x', 0xffff_ffff), shared('y', 0xffff_ffff)]],
        [2, []],
        [3, []],
      ]),
    )
    const loadDirectory: RemoteSource['loadDirectory'] = async (from) => {
      const page = await options.remote.loadDirectory(from)
      return from.ref.digest[0] === 2 ? { ...page, hasUnreadable } : page
    }
    const drive = await scratch.open({ ...options, remote: { ...options.remote, loadDirectory } })
    const files = async (): Promise<number> => (await drive.port.counts()).total.files
    const x = (await find(drive.tree, 'x'))!.ino
    for (const text of ['x', 'y']) await drive.tree.unlink(ROOT_INO, name(text), caller)
    t.is(await files(), 1)
    for (const text of ['d', 'e']) {
      t.is(await files(), 1, 'a directory that is not loaded may name it')
      const { ino } = (await find(drive.tree, text))!
      await codeOf(() => find(drive.tree, 'none', ino))
    }
    t.is(await files(), hasUnreadable ? 1 : 0)
    t.is(await codeOf(() => drive.tree.getAttributes(x, caller)), hasUnreadable ? 'ok' : 'STALE')
    await drive.shut()
  })
}
