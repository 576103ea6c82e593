import test from 'ava'
import { commitOf, mergePages, rowsOfTable } from '../../../test/support/vfs/published-commit.js'
import { decodeInode, decodeRemoved, inodeKey } from '../../tree-state/index.js'
import {
  caller,
  chunkDigests,
  createFile,
  find,
  name,
  readInode,
  scratchDrive,
  writeFile,
} from '../../../test/support/vfs/drive.js'
import { ROOT_INO } from '../tree.js'

const KIB = 1024

test('freeze stages everything, holds commits until resume, and later changes are not in the snapshot', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  const { ino, handle } = await createFile(drive.tree, 'file')
  await drive.tree.write(ino, handle, 0, Buffer.alloc(700 * KIB, 1), caller)
  const small = await writeFile(drive.tree, 'small', Buffer.from('small'))
  t.true((await drive.port.counts()).held.bytes > 0)
  const freezing = drive.port.freeze()
  const during = drive.tree.write(ino, handle, 700 * KIB, Buffer.alloc(100 * KIB, 2), caller)
  t.true(during instanceof Promise, 'writers wait while the drive is quiesced')
  const { sequence } = await freezing
  await during
  await drive.tree.makeDirectory(ROOT_INO, name('later'), 0o755, caller)
  let synced = false
  const syncing = Promise.resolve(drive.tree.sync(ino, false, caller)).then(() => (synced = true))
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.false(synced, 'commits are held')
  const frozen = scratch.crashCopy()
  await drive.port.resume()
  await syncing
  const copy = await frozen.open()
  t.is((await readInode(copy.tree, ino)).length, 700 * KIB)
  t.is(String(await readInode(copy.tree, small)), 'small')
  t.is(await find(copy.tree, 'later'), undefined)
  await copy.shut()
  const { sequence: second } = await drive.port.freeze()
  await drive.port.resume()
  t.true(second > sequence)
  await drive.shut()
  frozen.remove()
  scratch.remove()
})

test('a published commit clears the changes it contains, and only those', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  const a = await writeFile(drive.tree, 'a', Buffer.alloc(300 * KIB, 3))
  const b = await writeFile(drive.tree, 'b', Buffer.alloc(200 * KIB, 4))
  const { sequence } = await drive.port.freeze()
  await drive.port.resume()
  const staged = (await drive.port.counts()).staged
  t.deepEqual(staged, { files: 2, bytes: 500 * KIB })
  const { handle } = await drive.tree.open(b, 2, caller)
  await drive.tree.write(b, handle, 0, Buffer.from('newer'), caller)
  const digests = chunkDigests(drive)
  const ref = { digest: Buffer.alloc(32, 9), key: Buffer.alloc(32, 8) }
  await drive.port.published(commitOf(drive, sequence, { confirmed: digests, refs: [{ ino: ROOT_INO, ref }] }))
  await drive.port.published(commitOf(drive, sequence, { confirmed: digests }))
  const counts = await drive.port.counts()
  t.is(counts.dirtyInodes, 1, 'the file written since')
  t.true(counts.cacheEvictableBytes > 0)
  t.deepEqual(decodeInode(1, drive.meta.table('inodes', { sealed: true }).get(inodeKey(1))!).ref, ref)
  drive.tree.release(b, handle)
  await drive.port.flush()
  t.is((await drive.port.counts()).staged.files, 1)
  t.is((await readInode(drive.tree, a)).length, 300 * KIB)
  await drive.shut()
  scratch.remove()
})

for (const changedSince of [false, true]) {
  test(`merged pages ${changedSince ? 'are not applied to a file that changed since' : 'replace pages and the rows below'}`, async (t) => {
    const scratch = scratchDrive()
    const drive = await scratch.open()
    const plain = Buffer.alloc(400 * KIB)
    for (let i = 0; i < plain.length; i += 4) plain.writeUInt32LE((i * 2654435761) >>> 0, i)
    const ino = await writeFile(drive.tree, 'file', plain)
    await drive.port.flush()
    const { handle } = await drive.tree.open(ino, 2, caller)
    for (const at of [10, 90_000, 399 * KIB]) {
      plain.write('changed', at)
      await drive.tree.write(ino, handle, at, Buffer.from('changed'), caller)
    }
    const { sequence } = await drive.port.freeze()
    await drive.port.resume()
    t.true(rowsOfTable(drive, 'pages').length >= 3)
    const before = rowsOfTable(drive, 'chunks').length
    const rows = await mergePages(drive, plain, sequence)
    const commit = commitOf(drive, sequence, { merged: [{ ino, rows }] })
    if (changedSince) {
      plain.write('again', 200_000)
      await drive.tree.write(ino, handle, 200_000, Buffer.from('again'), caller)
    }
    await drive.port.published(commit)
    t.deepEqual(await readInode(drive.tree, ino), plain)
    const removed = rowsOfTable(drive, 'removed').map(([, value]) => decodeRemoved(value))
    if (changedSince) {
      t.deepEqual(
        removed,
        rows.map(({ digest }) => ({ kind: 'block', digest: Buffer.from(digest), born: sequence })) as never,
      )
    } else {
      t.is(removed.length, before)
      t.is(rowsOfTable(drive, 'pages').length, 0)
      t.is(rowsOfTable(drive, 'dirty').length, 0)
    }
    drive.tree.release(ino, handle)
    await drive.shut()
    const again = await scratch.open()
    t.deepEqual(await readInode(again.tree, ino), plain)
    await again.shut()
    scratch.remove()
  })
}

test('merged pages replace the pages of a file that is still open after an append', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  const plain = Buffer.from('a line of a journal that stays open\n'.repeat(600))
  const { ino, handle } = await createFile(drive.tree, 'journal')
  await drive.tree.write(ino, handle, 0, plain, caller)
  const { sequence } = await drive.port.freeze()
  await drive.port.resume()
  const rows = await mergePages(drive, plain, sequence)
  await drive.port.published(commitOf(drive, sequence, { merged: [{ ino, rows }] }))
  const removed = rowsOfTable(drive, 'removed').map(([, value]) => decodeRemoved(value))
  t.deepEqual(removed, [], 'the published entry refers to these blocks and is not rebuilt')
  t.is(rowsOfTable(drive, 'dirty').length, 0)
  const more = Buffer.from('one more line\n')
  await drive.tree.write(ino, handle, plain.length, more, caller)
  t.deepEqual(await readInode(drive.tree, ino), Buffer.concat([plain, more]))
  drive.tree.release(ino, handle)
  await drive.shut()
  const again = await scratch.open()
  t.deepEqual(await readInode(again.tree, ino), Buffer.concat([plain, more]))
  await again.shut()
  scratch.remove()
})

for (const changedBetween of [false, true]) {
  test(`S-089 merged pages of a large file are applied in parts, ${changedBetween ? 'as far as it has not changed' : 'each page with its rows'}`, async (t) => {
    const scratch = scratchDrive()
    const drive = await scratch.open()
    const plain = Buffer.alloc(3000 * KIB)
    for (let i = 0; i < plain.length; i += 4) plain.writeUInt32LE((i * 2654435761) >>> 0, i)
    const ino = await writeFile(drive.tree, 'file', plain)
    await drive.port.flush()
    const { handle } = await drive.tree.open(ino, 2, caller)
    for (let at = 0; at < 2990 * KIB; at += 16 * KIB) {
      plain.write('changed', at)
      await drive.tree.write(ino, handle, at, Buffer.from('changed'), caller)
    }
    const { sequence } = await drive.port.freeze()
    await drive.port.resume()
    const commit = commitOf(drive, sequence, {})
    const pages = rowsOfTable(drive, 'pages').length
    const rows = await mergePages(drive, plain, sequence)
    t.true(rows.length > 2 && rows.slice(1).some(({ offset }) => offset % 4096 !== 0))
    for (const [index, row] of rows.entries()) {
      const isLast = index === rows.length - 1
      const merged = [{ ino, rows: [row], isContinued: !isLast }]
      await drive.port.published({ ...commit, merged, part: { index, isLast } })
      t.true(plain.equals(await readInode(drive.tree, ino)))
      if (index === 0) t.true(rowsOfTable(drive, 'pages').length < pages)
      if (index > 0 || !changedBetween) continue
      plain.write('again', 2_500_000)
      await drive.tree.write(ino, handle, 2_500_000, Buffer.from('again'), caller)
    }
    const removed = rowsOfTable(drive, 'removed').map(([, value]) => decodeRemoved(value))
    const unused = removed.filter((row) => row.kind === 'block' && row.born === sequence)
    t.is(unused.length, changedBetween ? rows.length - 1 : 0)
    if (!changedBetween) t.is(rowsOfTable(drive, 'pages').length, 0)
    drive.tree.release(ino, handle)
    await drive.shut()
    const again = await scratch.open()
    t.true(plain.equals(await readInode(again.tree, ino)))
    await again.shut()
    scratch.remove()
  })
}

test('a discarded block stays when a file references it again after the freeze', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  const plain = Buffer.alloc(100 * KIB, 5)
  await writeFile(drive.tree, 'one', plain)
  await drive.port.flush()
  const digests = chunkDigests(drive)
  await drive.tree.unlink(ROOT_INO, name('one'), caller)
  const { sequence } = await drive.port.freeze()
  await drive.port.resume()
  const two = await writeFile(drive.tree, 'two', plain)
  await drive.port.flush()
  await drive.port.published(commitOf(drive, sequence, { discarded: digests }))
  t.deepEqual(await readInode(drive.tree, two), plain)
  await drive.tree.unlink(ROOT_INO, name('two'), caller)
  const { sequence: next } = await drive.port.freeze()
  await drive.port.resume()
  await drive.port.published(commitOf(drive, next, { discarded: digests }))
  t.true(digests.every((digest) => !drive.blocks.has(digest)))
  await drive.shut()
  scratch.remove()
})
