import test from 'ava'
import { commitOf, mergePages, rowsOfTable } from '../../../test/support/vfs/published-commit.js'
import { caller, find, name, scratchDrive, createFile, readInode } from '../../../test/support/vfs/drive.js'
import { ROOT_INO } from '../tree.js'

const FILES = 9_000

test('S-064 `dirty` rows of many published files are cleared in commits of a few thousand rows', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  for (let i = 0; i < FILES; i++) {
    await drive.tree.makeSymlink(ROOT_INO, name(`link-${i}`), Buffer.from('elsewhere'), caller)
    if (i % 2 === 0) continue
    await drive.tree.unlink(ROOT_INO, name(`link-${i}`), caller)
  }
  const { sequence } = await drive.port.freeze()
  await drive.port.resume()
  t.true((await drive.port.counts()).dirtyInodes > FILES / 2)
  let most = 0
  const commit = drive.meta.commit.bind(drive.meta)
  drive.meta.commit = () => {
    most = Math.max(most, drive.meta.pendingCount)
    return commit()
  }
  const nothing = { refs: [], merged: [], confirmed: [], discarded: [] }
  await drive.port.published({ sequence, removedBefore: 0, ...nothing })
  t.true(most > 0 && most < FILES / 3, `${most} rows waited for one commit`)
  t.is((await drive.port.counts()).dirtyInodes, 0)
  t.not(await find(drive.tree, 'link-0'), undefined)
  await drive.shut()
  scratch.remove()
})

test('S-038 a part of a published commit is applied once, also when sync repeats it after a crash and the file has changed', async (t) => {
  const scratch = scratchDrive()
  const first = await scratch.open()
  const plain = Buffer.from('a line of a journal that stays open\n'.repeat(600))
  const { ino, handle } = await createFile(first.tree, 'journal')
  await first.tree.write(ino, handle, 0, plain, caller)
  const { sequence } = await first.port.freeze()
  await first.port.resume()
  const rows = await mergePages(first, plain, sequence)
  const part = { ...commitOf(first, sequence, { merged: [{ ino, rows }] }), part: { index: 0, isLast: false } }
  await first.port.published(part)
  t.true(rowsOfTable(first, 'dirty').length > 0, 'not published before the last part')
  const crashed = scratch.crashCopy()
  const drive = await crashed.open()
  const opened = await drive.tree.open(ino, 2, caller)
  await drive.tree.write(ino, opened.handle, 10, Buffer.from('CHANGED'), caller)
  drive.tree.release(ino, opened.handle)
  await drive.port.flush()
  const expected = Buffer.from(plain)
  expected.write('CHANGED', 10)
  await drive.port.published(part)
  await drive.port.published({ ...commitOf(drive, sequence, {}), part: { index: 1, isLast: true } })
  t.deepEqual(rowsOfTable(drive, 'removed'), [], 'its blocks are in use, and the version has them')
  t.is(rowsOfTable(drive, 'pages').length, 1)
  t.deepEqual(await readInode(drive.tree, ino), expected)
  await drive.shut()
  crashed.remove()
  await first.shut()
  scratch.remove()
})
