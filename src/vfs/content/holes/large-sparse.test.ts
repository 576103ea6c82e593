import test from 'ava'
import { caller, find, readHandle, scratchDrive } from '../../../../test/support/vfs/drive.js'
import { pageOf, record, ref, world } from '../../../../test/support/vfs/remote.js'
import { name } from '../../../../test/support/vfs/drive.js'
import { GIB, makeSparseFile, PIB } from '../../../../test/support/vfs/sparse-file.js'
import { PAGE_BYTES, type RemoteChild, type RemoteSource } from '../../../tree-state/index.js'
import { FALLOCATE, OPEN, SEEK } from '../../tree.js'

const CHUNKS = 40

/** A published file of a pebibyte with `CHUNKS` chunks of 256 KiB, 4 GiB apart. */
function publishedSparseFile() {
  const chunks = Array.from({ length: CHUNKS }, (_, i) => {
    const digest = Buffer.alloc(32, i + 1)
    return { offset: (i + 1) * 4 * GIB, length: 262_144, skip: 0, digest, key: digest }
  })
  const child: RemoteChild = {
    name: name('sparse'),
    record: record(0o100644, { size: PIB, ref: ref(50), unloaded: true, fileId: Buffer.alloc(16, 3) }),
    chunks: undefined,
  }
  const remote: RemoteSource = {
    ...world().source,
    loadDirectory: ({ after }) => Promise.resolve(pageOf([child], after)),
    loadChunks: () => Promise.resolve({ chunks, isLast: true }),
  }
  return { remote, freshRoot: { record: record(0o040755, { nlink: 2, ref: ref(1), unloaded: true }) } }
}

const SECTORS = (CHUNKS * 262_144) / 512

for (const [what, sectors] of [
  ['extended', SECTORS],
  ['shortened', SECTORS],
  ['zeroed in part', SECTORS - 262_144 / 512],
  ['written far beyond its end', SECTORS + 8],
  ['read', SECTORS],
] as const) {
  test(`S-117 S-058 a sparse file of a pebibyte from another device is ${what}: it keeps its holes`, async (t) => {
    const scratch = scratchDrive()
    t.teardown(() => scratch.remove())
    const options = publishedSparseFile()
    let drive = await scratch.open(options)
    const { ino } = (await find(drive.tree, 'sparse'))!
    const { handle } = await drive.tree.open(ino, OPEN.READ_WRITE, caller)
    if (what === 'extended') await drive.tree.setAttributes(ino, { size: PIB + 2 ** 20 }, undefined, caller)
    if (what === 'shortened') await drive.tree.setAttributes(ino, { size: PIB - 2 ** 20 }, undefined, caller)
    if (what === 'zeroed in part') {
      const punch = { mode: FALLOCATE.PUNCH_HOLE | FALLOCATE.KEEP_SIZE, offset: 0, length: 7 * GIB }
      await drive.tree.allocate(ino, handle, punch, caller)
    }
    if (what === 'written far beyond its end')
      await drive.tree.write(ino, handle, 3 * PIB, Buffer.alloc(PAGE_BYTES, 1), caller)
    if (what === 'read') await readHandle(drive.tree, ino, handle, 100 * PAGE_BYTES, PAGE_BYTES)
    for (let opening = 0; opening < 2; opening++) {
      t.is((await drive.tree.getAttributes(ino, caller)).blocks, sectors)
      const first = what === 'zeroed in part' ? 8 * GIB : 4 * GIB
      const again = await drive.tree.open(ino, OPEN.READ_WRITE, caller)
      t.is(await drive.tree.seek(ino, again.handle, 0, SEEK.DATA, caller), first)
      t.is(await drive.tree.seek(ino, again.handle, first, SEEK.HOLE, caller), first + 262_144)
      drive.tree.release(ino, again.handle)
      if (opening === 1) break
      drive.tree.release(ino, handle)
      await drive.shut()
      drive = await scratch.open(options)
    }
    await drive.shut()
  })
}

test('S-117 S-058 lseek finds the data of a file with more pieces of data than a set of blocks holds', async (t) => {
  const scratch = scratchDrive()
  t.teardown(() => scratch.remove())
  const ino = await makeSparseFile(
    scratch,
    Array.from({ length: 20_000 }, (_, i) => (i + 1) * GIB),
  )
  const drive = await scratch.open()
  const { tree } = drive
  const { handle } = await tree.open(ino, OPEN.READ_WRITE, caller)
  const seek = (offset: number, whence: number) => tree.seek(ino, handle, offset, whence, caller)
  const check = async (): Promise<void> => {
    t.is(await seek(5, SEEK.DATA), GIB)
    t.is(await seek(5, SEEK.HOLE), 5)
    t.is(await seek(GIB + 7, SEEK.DATA), GIB + 7)
    t.is(await seek(GIB + 7, SEEK.HOLE), GIB + PAGE_BYTES)
    t.is(await seek(20_000 * GIB, SEEK.HOLE), 20_000 * GIB + PAGE_BYTES)
  }
  await check()
  t.is((await tree.getAttributes(ino, caller)).blocks, 0, 'the number that is on record')
  await tree.write(ino, handle, 30_000 * GIB, Buffer.from('held'), caller)
  t.is(await seek(20_001 * GIB, SEEK.DATA), 30_000 * GIB)
  t.is(await seek(30_000 * GIB, SEEK.HOLE), 30_000 * GIB + PAGE_BYTES)
  await tree.setAttributes(ino, { size: 2 * PIB }, undefined, caller)
  t.is((await tree.getAttributes(ino, caller)).blocks, 0)
  await check()
  await drive.abandon()
})
