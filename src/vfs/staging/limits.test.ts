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
} from '../../../test/support/vfs/drive.js'
import type { Space } from '../../platform/index.js'
import { ROOT_INO } from '../tree.js'

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
