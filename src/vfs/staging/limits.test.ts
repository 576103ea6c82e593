import test from 'ava'
import {
  caller,
  codeOf,
  createFile,
  find,
  name,
  readInode,
  root,
  scratchDrive,
  writeFile,
  list,
  type Scratch,
} from '../../../test/support/vfs/drive.js'
import type { Space } from '../../platform/index.js'
import { ROOT_INO } from '../tree.js'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DriveError, systemClock } from '../../base/index.js'
import { diskSpace } from '../../platform/index.js'
import { stretch } from '../../../test/support/vfs/stretch.js'
import { until } from '../../../test/support/until.js'

const KIB = 1024

test('sparse files with a total size beyond 2^53 do not prevent commits', async (t) => {
  const scratch = scratchDrive()
  let drive = await scratch.open()
  for (const text of ['a', 'b', 'c']) {
    const { ino, handle } = await createFile(drive.tree, text)
    await drive.tree.setAttributes(ino, { size: 2 ** 52 }, handle, caller)
    await drive.tree.sync(ino, false, caller)
    drive.tree.release(ino, handle)
  }
  await writeFile(drive.tree, 'small', Buffer.from('still here'))
  await drive.shut()
  drive = await scratch.open()
  t.is((await find(drive.tree, 'a'))!.size, 2 ** 52)
  t.is(String(await readInode(drive.tree, (await find(drive.tree, 'small'))!.ino)), 'still here')
  for (const text of ['a', 'b', 'c']) await drive.tree.unlink(ROOT_INO, name(text), caller)
  t.true((await drive.port.counts()).total.bytes >= 0)
  await drive.shut()
  scratch.remove()
})

test('attributes too large for a published version are refused, on a file and on the root', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  const file = await writeFile(drive.tree, 'file', Buffer.from('x'))
  for (const ino of [file, ROOT_INO]) {
    const codes: string[] = []
    for (let i = 0; i < 5; i++)
      codes.push(await codeOf(() => drive.tree.setXattr(ino, `user.${String(i)}`, Buffer.alloc(60_000), 0, root)))
    t.deepEqual(codes, ['ok', 'NO_SPACE', 'NO_SPACE', 'NO_SPACE', 'NO_SPACE'])
    t.is(
      await codeOf(() => drive.tree.setXattr(ino, 'user.0', Buffer.alloc(10), 0, root)),
      'ok',
      'a shorter value replaces it',
    )
    t.is(await codeOf(() => drive.tree.setXattr(ino, 'user.1', Buffer.alloc(60_000), 0, root)), 'ok')
  }
  await drive.shut()
  scratch.remove()
})

test('S-004 an impossible fallocate is refused and does not count as a lack of space: the cache stays', async (t) => {
  const disk: Space = { totalBytes: 2 ** 40, availableBytes: 2 ** 31 }
  const scratch = scratchDrive()
  const drive = await scratch.open({ disk: { space: () => ({ ...disk }) } })
  const { ino, handle } = await createFile(drive.tree, 'file')
  for (const length of [5 * 2 ** 40, 2 ** 39]) {
    t.is(await codeOf(() => drive.tree.allocate(ino, handle, { mode: 0, offset: 0, length }, caller)), 'NO_SPACE')
    t.false((await drive.port.counts()).isShortOfSpace, `${String(length)} bytes`)
  }
  t.is(
    await codeOf(() => drive.tree.allocate(ino, handle, { mode: 0, offset: 0, length: 2 ** 30 }, caller)),
    'ok',
    'a request that fits is granted',
  )
  drive.tree.release(ino, handle)
  await drive.shut()
  scratch.remove()
})

test('S-140 S-179 on a full disk a write is refused, unless it is of a write-back: the kernel sends a page once', async (t) => {
  const disk = { totalBytes: 2 ** 30, availableBytes: 2 ** 29 }
  const scratch = scratchDrive()
  const drive = await scratch.open({ disk: { space: () => ({ ...disk }) } })
  const { ino, handle } = await createFile(drive.tree, 'mapped')
  disk.availableBytes = 0
  const write = (): Promise<string> => codeOf(() => drive.tree.write(ino, handle, 0, Buffer.from('page'), caller))
  t.is(await write(), 'NO_SPACE')
  t.is(await drive.duringWriteBack(write), 'ok')
  t.is(String(await readInode(drive.tree, ino)), 'page')
  t.is(await write(), 'NO_SPACE')
  drive.tree.release(ino, handle)
  await drive.shut()
  scratch.remove()
})

test('S-139 closing while the block index cannot be committed leaves the tree of the last commit, not half of a newer one', async (t) => {
  const scratch = scratchDrive()
  let drive = await scratch.open()
  const kept = await writeFile(drive.tree, 'kept', stretch(0, 50_000))
  await drive.port.flush()
  drive.blocks.commit = () => Promise.reject(new DriveError('NO_SPACE', 'The disk of the block index is full.'))
  for (let i = 0; i < 20; i++) await writeFile(drive.tree, `new${String(i)}`, stretch(i, 50_000))
  await drive.tree.setAttributes(kept, { size: 0 }, undefined, caller)
  t.is(await codeOf(() => drive.tree.syncAll(caller)), 'NO_SPACE')
  t.is(await codeOf(() => drive.close()), 'NO_SPACE')
  // There is room again when the parts below are closed.
  Reflect.deleteProperty(drive.blocks, 'commit')
  await drive.abandon()
  drive = await scratch.open()
  const names = await list(drive.tree, ROOT_INO, true)
  t.deepEqual(
    names.map((entry) => String(entry.name)).filter((entry) => entry !== '.' && entry !== '..'),
    ['kept'],
  )
  t.true((await readInode(drive.tree, kept)).equals(stretch(0, 50_000)))
  await writeFile(drive.tree, 'after', stretch(0, 50_000))
  await drive.shut()
  scratch.remove()
})

function onSmallDisk(scratch: Scratch, megabytes: number): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${String(megabytes)}m`, 'tmpfs', scratch.path]).status === 0
}

for (const guarded of [true, false]) {
  test.serial(
    `a full disk refuses writers${guarded ? '' : ', also when it fills unnoticed'}, loses nothing that was synced, and works again later (R-63)`,
    async (t) => {
      const scratch = scratchDrive()
      if (!onSmallDisk(scratch, 64)) {
        t.log('not run: no right to mount a tmpfs')
        t.pass()
        scratch.remove()
        return
      }
      try {
        mkdirSync(join(scratch.path, 'ballast'))
        for (let i = 0; i < 24; i++) writeFileSync(join(scratch.path, 'ballast', String(i)), Buffer.alloc(1024 * KIB))
        const guard = guarded ? { disk: diskSpace(scratch.path, systemClock) } : {}
        let drive = await scratch.open({ ...guard, heldLimitBytes: 8 * 1024 * KIB })
        const safe = await writeFile(drive.tree, 'safe', stretch(0, 100 * KIB))
        await drive.port.flush()
        const { ino, handle } = await createFile(drive.tree, 'big')
        let size = 0
        let code = 'ok'
        for (; code === 'ok' && size < 200 * 1024 * KIB; size += code === 'ok' ? 256 * KIB : 0) {
          const at = size
          const data = Buffer.alloc(256 * KIB)
          for (let i = 0; i < data.length; i += 4) data.writeUInt32LE(((at + i) * 2654435761) >>> 0, i)
          code = await codeOf(() => drive.tree.write(ino, handle, at, data, caller))
        }
        t.is(code, 'NO_SPACE')
        t.is((await drive.port.counts()).isShortOfSpace, guarded)
        t.true(size > 4 * 1024 * KIB)
        t.true((await readInode(drive.tree, safe)).equals(stretch(0, 100 * KIB)))
        if (!guarded) t.is(await codeOf(() => drive.tree.sync(ino, false, caller)), 'NO_SPACE')
        for (let i = 0; i < 24; i++) unlinkSync(join(scratch.path, 'ballast', String(i)))
        t.true(await until(async () => !(await drive.port.counts()).isShortOfSpace))
        await drive.tree.setAttributes(ino, { size: size - 4 * 1024 * KIB }, handle, caller)
        t.is(await codeOf(() => drive.tree.sync(ino, false, caller)), 'ok')
        t.is((await drive.port.counts()).lastError, undefined)
        drive.tree.release(ino, handle)
        await drive.shut()
        drive = await scratch.open(guard)
        const bytes = await readInode(drive.tree, ino)
        t.is(bytes.length, size - 4 * 1024 * KIB)
        for (let i = 0; i < bytes.length; i += 4096) {
          if (bytes.readUInt32LE(i) !== (i * 2654435761) >>> 0) t.fail(`byte ${String(i)} differs`)
        }
        t.true((await readInode(drive.tree, safe)).equals(stretch(0, 100 * KIB)))
        await drive.shut()
      } finally {
        spawnSync('umount', ['-l', scratch.path])
        scratch.remove()
      }
    },
  )
}

test('S-175 a tree at rest is opened, read and closed on a full disk without a commit, and the first change makes one', async (t) => {
  const scratch = scratchDrive()
  t.teardown(() => scratch.remove())
  const first = await scratch.open()
  await createFile(first.tree, 'file')
  await first.shut()
  const database = join(scratch.path, 'meta', 'data.mdb')
  const before = readFileSync(database)
  let availableBytes = 0
  const disk = { space: () => ({ availableBytes, totalBytes: 2 ** 30 }) }
  const reading = await scratch.open({ disk })
  t.truthy(await find(reading.tree, 'file'))
  await reading.port.flush()
  await reading.shut()
  t.true(readFileSync(database).equals(before))
  const writing = await scratch.open({ disk })
  availableBytes = 2 ** 29
  await createFile(writing.tree, 'later')
  await writing.port.flush()
  const copy = scratch.crashCopy()
  t.teardown(() => copy.remove())
  const after = await copy.open()
  t.truthy(await find(after.tree, 'later'))
  for (const drive of [writing, after]) await drive.shut()
})
