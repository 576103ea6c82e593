import test from 'ava'
import {
  caller,
  codeOf,
  find,
  list,
  name,
  offline,
  readHandle,
  readInode,
  scratchDrive,
} from '../../../test/support/vfs/drive.js'
import { freshRoot, pageOf, plain, record, ref, world } from '../../../test/support/vfs/remote.js'
import type { RemoteChild } from '../../tree-state/index.js'
import { ROOT_INO } from '../tree.js'

test('a remote tree is loaded on use, and then works without a network (R-05, R-15)', async (t) => {
  const scratch = scratchDrive()
  const { source, asked, setOnline } = world()
  let drive = await scratch.open({ remote: source, freshRoot })
  t.deepEqual(asked, [])
  const [file, absent, entries] = await Promise.all([
    drive.tree.lookup(ROOT_INO, name('file'), caller),
    drive.tree.lookup(ROOT_INO, name('absent'), caller),
    list(drive.tree, ROOT_INO, true),
  ])
  t.deepEqual(asked, ['directory 1'], 'one request for all waiting callers')
  t.is(absent, undefined)
  t.deepEqual(
    entries.map((entry) => entry.name as string),
    ['file', 'long', 'linked', 'sub'],
  )
  t.deepEqual([file!.size, file!.mtimeSec, file!.mtimeNsec], [plain.length, 2, 3])
  t.deepEqual(await readInode(drive.tree, file!.ino), plain)
  t.is(asked.filter((what) => what.startsWith('blocks')).length, 1, 'all blocks of one read come in one request')
  const long = await find(drive.tree, 'long')
  t.deepEqual(await readInode(drive.tree, long!.ino), plain)
  t.true(asked.includes('chunks 50'))
  const counts = await drive.port.counts()
  t.deepEqual(
    [counts.dirtyInodes, counts.staged.files, counts.total.files],
    [0, 0, 3],
    'loaded entries are not uploaded',
  )
  t.true(counts.isPartial, 'S-166 sub is not loaded')
  t.true(counts.cacheEvictableBytes > 0)
  setOnline(false)
  const sub = await find(drive.tree, 'sub')
  t.is(await codeOf(() => find(drive.tree, 'other', sub!.ino)), 'OFFLINE')
  t.is(await codeOf(() => drive.tree.removeDirectory(ROOT_INO, name('sub'), caller)), 'OFFLINE')
  setOnline(true)
  const other = await find(drive.tree, 'other', sub!.ino)
  t.is(other!.ino, (await find(drive.tree, 'linked'))!.ino, 'names of one file are one inode')
  t.false((await drive.port.counts()).isPartial)
  await drive.shut()
  setOnline(false)
  drive = await scratch.open({ remote: source, freshRoot })
  t.false((await drive.port.counts()).isPartial, 'S-166 after opening again')
  t.deepEqual(await readInode(drive.tree, file!.ino), plain)
  await drive.tree.unlink(ROOT_INO, name('linked'), caller)
  t.is((await find(drive.tree, 'other', sub!.ino))!.nlink, 1)
  t.is(drive.tree.parentOf(other!.ino), sub!.ino)
  await drive.shut()
  scratch.remove()
})

test('remote content fails with OFFLINE without a node, and an interrupted reader returns at once (R-05)', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open({ remote: offline, freshRoot })
  t.is(await codeOf(() => find(drive.tree, 'file')), 'OFFLINE')
  await drive.shut()
  scratch.remove()

  const again = scratchDrive()
  const { source } = world()
  const stuck = { ...source, fetchBlocks: () => new Promise<Uint8Array[]>(() => undefined) }
  const reading = await again.open({ remote: stuck, freshRoot })
  const file = await find(reading.tree, 'file')
  const { handle } = await reading.tree.open(file!.ino, 0, caller)
  const interrupted = new AbortController()
  const pending = codeOf(() => reading.tree.read(file!.ino, handle, 0, 1000, { ...caller, signal: interrupted.signal }))
  interrupted.abort()
  t.is(await pending, 'ABORTED')
  reading.tree.release(file!.ino, handle)
  await reading.shut()
  again.remove()
})

test('evicted blocks are read from the node, and changes on top of them survive (R-11, R-15)', async (t) => {
  const scratch = scratchDrive()
  const { source, setOnline } = world()
  let drive = await scratch.open({ remote: source, freshRoot })
  const file = await find(drive.tree, 'file')
  const { handle } = await drive.tree.open(file!.ino, 2, caller)
  const expected = Buffer.from(plain)
  expected.write('changed', 300_000)
  await drive.tree.write(file!.ino, handle, 300_000, Buffer.from('changed'), caller)
  await drive.tree.sync(file!.ino, false, caller)
  t.is(String(await readHandle(drive.tree, file!.ino, handle, 300_000, 7)), 'changed')
  drive.tree.release(file!.ino, handle)
  await drive.port.evictTo(0)
  t.is((await drive.port.counts()).cacheUsedBytes, 0)
  await drive.shut()
  setOnline(false)
  drive = await scratch.open({ remote: source, freshRoot })
  t.is(await codeOf(() => readInode(drive.tree, file!.ino)), 'OFFLINE')
  setOnline(true)
  t.deepEqual(await readInode(drive.tree, file!.ino), expected)
  await drive.shut()
  scratch.remove()
})

test('a file with remote content can be appended to and synced without a network (R-05)', async (t) => {
  const scratch = scratchDrive()
  const { source, setOnline } = world()
  let drive = await scratch.open({ remote: source, freshRoot })
  const file = await find(drive.tree, 'file')
  setOnline(false)
  const { handle } = await drive.tree.open(file!.ino, 2, caller)
  await drive.tree.write(file!.ino, handle, plain.length, Buffer.from('more'), caller)
  t.is(await codeOf(() => drive.tree.write(file!.ino, handle, 5, Buffer.from('inside'), caller)), 'OFFLINE')
  await drive.tree.sync(file!.ino, false, caller)
  t.is(String(await readHandle(drive.tree, file!.ino, handle, plain.length, 10)), 'more')
  drive.tree.release(file!.ino, handle)
  await drive.shut()
  setOnline(true)
  drive = await scratch.open({ remote: source, freshRoot })
  t.deepEqual(await readInode(drive.tree, file!.ino), Buffer.concat([plain, Buffer.from('more')]))
  await drive.shut()
  scratch.remove()
})

test('a published entry with a wrong block length or without a link count harms that file only', async (t) => {
  const scratch = scratchDrive()
  const { source } = world()
  const [good] = (await source.loadChunks({ ref: ref(50), after: undefined })).chunks.map((chunk) => ({ ...chunk }))
  const lying = { ...good!, skip: 1000 }
  const next = { ...good!, offset: good!.length }
  const files: RemoteChild[] = [
    {
      name: name('lie'),
      record: record(0o100644, { size: 2 * good!.length, fileId: Buffer.alloc(16, 2) }),
      chunks: [lying, next],
    },
    {
      name: name('nameless'),
      record: record(0o100644, { nlink: 0, size: 2, inline: Buffer.from('hi'), fileId: Buffer.alloc(16, 3) }),
      chunks: undefined,
    },
  ]
  const drive = await scratch.open({
    remote: { ...source, loadDirectory: ({ after }) => Promise.resolve(pageOf(files, after)) },
    freshRoot,
  })
  const lie = await find(drive.tree, 'lie')
  const { handle } = await drive.tree.open(lie!.ino, 2, caller)
  t.is(await codeOf(() => readHandle(drive.tree, lie!.ino, handle, 0, 4096)), 'CORRUPT')
  t.is(
    await codeOf(() => readHandle(drive.tree, lie!.ino, handle, good!.length - 4096, 8192)),
    'CORRUPT',
    'never bytes at the wrong place',
  )
  t.deepEqual(await readHandle(drive.tree, lie!.ino, handle, good!.length, 4096), plain.subarray(0, 4096))
  t.is(
    await codeOf(() => drive.tree.write(lie!.ino, handle, 10, Buffer.from('page'), caller)),
    'CORRUPT',
    'nor zeros under a page',
  )
  drive.tree.release(lie!.ino, handle)
  const nameless = await find(drive.tree, 'nameless')
  drive.tree.forget(nameless!.ino, 1)
  t.is(String(await readInode(drive.tree, (await find(drive.tree, 'nameless'))!.ino)), 'hi')
  await drive.shut()
  scratch.remove()
})
