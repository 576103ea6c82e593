import test from 'ava'
import { caller, find, name, scratchDrive, type OpenDrive, type Scratch } from '../../../test/support/vfs/drive.js'
import { chunkKey, decodeRemoved, encodeChunk, inodeKey } from '../../tree-state/index.js'
import { ROOT_INO } from '../tree.js'

const MIB = 1024 * 1024
const ROWS = 10_000
const ROW_BYTES = MIB / 2

test('S-065 a large file is gone at once, and its rows in commits of some thousand; a crash between them goes on', async (t) => {
  const scratch = scratchDrive()
  t.teardown(() => scratch.remove())
  const { drive, ino } = await withLargeFile(scratch)
  const pending = watchPending(drive)
  await drive.tree.unlink(ROOT_INO, name('large'), caller)
  t.is(await find(drive.tree, 'large'), undefined)
  await until(() => rowCount(drive) < ROWS)
  t.true(rowCount(drive) > 0, 'the rest goes later')
  const crashed = await scratch.crashCopy().open()
  await until(() => rowCount(drive) === 0)
  t.true(pending() < ROWS, `${pending()} rows waited for one commit`)
  await drive.shut()

  await until(() => rowCount(crashed) === 0)
  await crashed.port.flush()
  t.is(crashed.meta.table('inodes', { sealed: true }).get(inodeKey(ino)), undefined)
  t.is(removedBlocks(crashed), ROWS)
  await crashed.shut()
})

test('S-065 a large file is cut short in commits of some thousand rows', async (t) => {
  const scratch = scratchDrive()
  t.teardown(() => scratch.remove())
  const { drive, ino } = await withLargeFile(scratch)
  const pending = watchPending(drive)
  await drive.tree.setAttributes(ino, { size: 10 * ROW_BYTES }, undefined, caller)
  t.is((await drive.tree.getAttributes(ino, caller)).size, 10 * ROW_BYTES)
  t.is(rowCount(drive), 10)
  t.true(pending() < ROWS, `${pending()} rows waited for one commit`)
  await drive.shut()
})

/** Its rows are put into the table: their blocks are never read. */
async function withLargeFile(scratch: Scratch): Promise<{ drive: OpenDrive; ino: number }> {
  const made = await scratch.open()
  const { attributes } = await made.tree.create(ROOT_INO, name('large'), 0o644, 1, caller)
  const { ino } = attributes
  await made.tree.setAttributes(ino, { size: ROWS * ROW_BYTES }, undefined, caller)
  await made.port.flush()
  const chunks = made.meta.table('chunks', { sealed: true })
  for (let i = 0; i < ROWS; i++) {
    const digest = Buffer.alloc(32)
    digest.writeUInt32BE(i)
    const row = { offset: i * ROW_BYTES, length: ROW_BYTES, skip: 0, digest, key: digest, born: 1 }
    chunks.put(chunkKey(ino, row.offset), encodeChunk(row))
  }
  await made.meta.commit()
  await made.shut()
  return { drive: await scratch.open(), ino }
}

function rowCount(drive: OpenDrive): number {
  return [...drive.meta.table('chunks', { sealed: true }).range()].length
}

function removedBlocks(drive: OpenDrive): number {
  const rows = [...drive.meta.table('removed', { sealed: true }).range()].map(([, value]) => decodeRemoved(value))
  return rows.filter(({ kind }) => kind === 'block').length
}

/** @returns the most rows that waited for one commit so far */
function watchPending(drive: OpenDrive): () => number {
  let most = 0
  const commit = drive.meta.commit.bind(drive.meta)
  drive.meta.commit = () => {
    most = Math.max(most, drive.meta.pendingCount)
    return commit()
  }
  return () => most
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 3000 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 10))
}
