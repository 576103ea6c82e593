import test from 'ava'
import {
  caller,
  createFile,
  find,
  name,
  scratchDrive,
  writeFile,
  type OpenDrive,
  type Scratch,
} from '../../../test/support/vfs/drive.js'
import { seededRandom } from '../../base/index.js'
import { chunkKey, decodeRemoved, encodeChunk, inodeKey, PAGE_BYTES, pageKey } from '../../tree-state/index.js'
import type { VfsOptions } from '../open-vfs.js'
import { OPEN, ROOT_INO } from '../tree.js'
import { until } from '../../../test/support/until.js'

const MIB = 1024 * 1024
const ROWS = 10_000
const ROW_BYTES = MIB / 2
const PAGES = 20_000

test('S-065 a large file is gone at once, and its rows are deleted in commits of some thousand; removal continues after a crash between them', async (t) => {
  const scratch = scratchDrive()
  t.teardown(() => scratch.remove())
  const { drive, ino } = await withLargeFile(scratch)
  const pending = watchPending(drive)
  await drive.tree.unlink(ROOT_INO, name('large'), caller)
  t.is(await find(drive.tree, 'large'), undefined)
  await until(() => rowCount(drive) < ROWS, 0)
  t.true(rowCount(drive) > 0, 'the other rows are deleted later')
  const crashed = await scratch.crashCopy().open()
  await until(() => rowCount(drive) === 0, 50)
  t.true(pending() < ROWS, `${pending()} rows waited for one commit`)
  await drive.shut()

  await until(() => rowCount(crashed) === 0, 50)
  await crashed.port.flush()
  t.is(crashed.meta.table('inodes', { sealed: true }).get(inodeKey(ino)), undefined)
  t.is(removedBlocks(crashed), ROWS)
  await crashed.shut()
})

test('S-086 a daemon that takes a mount over continues the removals of the previous daemon', async (t) => {
  const scratch = scratchDrive()
  t.teardown(() => scratch.remove())
  const { drive, ino } = await withLargeFile(scratch)
  await drive.tree.unlink(ROOT_INO, name('large'), caller)
  await until(() => rowCount(drive) < ROWS, 0)
  const copy = scratch.crashCopy()
  t.teardown(() => copy.remove())
  const next = await copy.open({ takeOver: { ino: ino + 1, handle: 0, onFound: () => undefined } })
  await until(() => rowCount(next) === 0, 50)
  await next.port.flush()
  t.is(next.meta.table('inodes', { sealed: true }).get(inodeKey(ino)), undefined)
  t.is(removedBlocks(next), ROWS)
  for (const each of [drive, next]) await each.shut()
})

test('S-065 a large file is truncated in commits of some thousand rows', async (t) => {
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

for (const ending of ['sealed', 'failed'] as const) {
  test(`S-065 a large file that is removed while its last bytes are being sealed frees its buffers (${ending})`, async (t) => {
    const scratch = scratchDrive()
    const { drive, ino } = await withLargeFile(scratch, { heldLimitBytes: 16 * MIB })
    t.teardown(async () => {
      await drive.abandon()
      scratch.remove()
    })
    const { tree, blocks } = drive
    const index = blocks.index.bind(blocks)
    if (ending === 'failed')
      blocks.index = () => {
        throw new Error('The disk is broken.')
      }
    const { handle } = await tree.open(ino, OPEN.READ_WRITE, caller)
    await tree.unlink(ROOT_INO, name('large'), caller)
    await tree.write(ino, handle, ROWS * ROW_BYTES, Buffer.from(seededRandom(7).bytes(12 * MIB)), caller)
    tree.release(ino, handle)
    await until(() => rowCount(drive) === 0, 50)
    blocks.index = index

    const written = writeFile(tree, 'next', Buffer.alloc(2 * MIB, 1)).then(() => 'written')
    t.is(await written, 'written')
    const isGone = (): boolean => drive.meta.table('inodes', { sealed: true }).get(inodeKey(ino)) === undefined
    const isDone = (): boolean => isGone() && (ending === 'failed' || removedBlocks(drive) > ROWS)
    t.true(await until(() => drive.port.flush().then(isDone)), 'blocks that came back later are recorded as removed')
    if (ending === 'failed') t.is(removedBlocks(drive), ROWS)
  })
}

test('S-064 S-065 a file of very many staged pages is removed in commits of some thousand, and other calls are answered meanwhile', async (t) => {
  const scratch = scratchDrive()
  t.teardown(() => scratch.remove())
  const made = await scratch.open()
  const { ino } = await createFile(made.tree, 'pages')
  await made.tree.setAttributes(ino, { size: PAGES * PAGE_BYTES }, undefined, caller)
  await made.port.flush()
  const pages = made.meta.table('pages', { sealed: true })
  for (let i = 0; i < PAGES; i++) pages.put(pageKey(ino, i), Buffer.alloc(PAGE_BYTES, i))
  await made.meta.commit()
  await made.shut()

  const drive = await scratch.open()
  const pending = watchPending(drive)
  await drive.tree.unlink(ROOT_INO, name('pages'), caller)
  const left = new Set<number>()
  await until(async () => {
    t.is(await find(drive.tree, 'pages'), undefined)
    const count = rowCount(drive, 'pages')
    left.add(count)
    return count === 0
  }, 0)
  t.true(left.has(0))
  t.true(left.size > 2, `other calls were answered with ${[...left].join(', ')} pages left`)
  t.true(pending() < PAGES / 2, `${pending()} rows waited for one commit`)
  await drive.port.flush()
  t.is(drive.meta.table('inodes', { sealed: true }).get(inodeKey(ino)), undefined)
  await drive.shut()
})

/** Only the rows are put into the table, because the blocks are never read. */
async function withLargeFile(
  scratch: Scratch,
  options: Partial<VfsOptions> = {},
): Promise<{ drive: OpenDrive; ino: number }> {
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
  return { drive: await scratch.open(options), ino }
}

function rowCount(drive: OpenDrive, table = 'chunks'): number {
  return [...drive.meta.table(table, { sealed: true }).keys()].length
}

function removedBlocks(drive: OpenDrive): number {
  const rows = [...drive.meta.table('removed', { sealed: true }).range()].map(([, value]) => decodeRemoved(value))
  return rows.filter(({ kind }) => kind === 'block').length
}

/** @returns the most rows pending for one commit so far */
function watchPending(drive: OpenDrive): () => number {
  let most = 0
  const commit = drive.meta.commit.bind(drive.meta)
  drive.meta.commit = () => {
    most = Math.max(most, drive.meta.pendingCount)
    return commit()
  }
  return () => most
}
