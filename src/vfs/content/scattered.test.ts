import test from 'ava'
import { MIB, seededRandom } from '../../base/index.js'
import { decodeInode, inodeKey } from '../../tree-state/index.js'
import { caller, createFile, scratchDrive } from '../../../test/support/vfs/drive.js'

const PAGE = 4096
const PAGES = 2000

test('S-064 a file with scattered page writes is published in whole chunks, not in one chunk per page', async (t) => {
  const scratch = scratchDrive()
  t.teardown(() => scratch.remove())
  const drive = await scratch.open()
  const random = seededRandom(6)
  const { ino, handle } = await createFile(drive.tree, 'scattered')
  await drive.tree.setAttributes(ino, { size: PAGES * PAGE }, undefined, caller)
  for (let i = 0; i < 200; i++) {
    const offset = random.next(PAGES) * PAGE
    await drive.tree.write(ino, handle, offset, Buffer.alloc(PAGE, 1), caller)
  }
  await drive.port.flush()
  const row = drive.meta.table('inodes', { sealed: true }).get(inodeKey(ino))!
  t.true(decodeInode(ino, row).fixedChunks)
  drive.tree.release(ino, handle)
  await drive.shut()
})

test('S-107 pages written at random go to disk a few MiB at a time, however fast the writer is', async (t) => {
  const scratch = scratchDrive()
  t.teardown(() => scratch.remove())
  const drive = await scratch.open()
  const random = seededRandom(8)
  const { ino, handle } = await createFile(drive.tree, 'scattered')
  const pages = 8000
  await drive.tree.setAttributes(ino, { size: pages * PAGE }, undefined, caller)
  let most = 0
  for (let i = 0; i < 5000; i++) {
    await drive.tree.write(ino, handle, random.next(pages) * PAGE, Buffer.alloc(PAGE, i), caller)
    if (i % 50 === 0) most = Math.max(most, (await drive.port.counts()).held.bytes)
  }
  t.log(`held at most ${most} bytes`)
  t.true(most > 0 && most < 7 * MIB, `held ${most} bytes`)
  drive.tree.release(ino, handle)
  await drive.shut()
})
