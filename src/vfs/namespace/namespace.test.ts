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
import { OPEN, RENAME, ROOT_INO, XATTR } from '../tree.js'
import { withDrive } from '../../../test/support/vfs/with-drive.js'

const DIRECTORY = 0o040000

const FIFO = 0o010000

test('names of any bytes up to 255 are found again, also after a restart (R-01)', async (t) => {
  const scratch = scratchDrive()
  const odd = 'x\x01\xff\xfe ' as never
  const long = name('n'.repeat(255))
  let drive = await scratch.open()
  await drive.tree.makeDirectory(ROOT_INO, odd, 0o755, caller)
  await drive.tree.makeNode(ROOT_INO, long, 0o100644, 0, caller)
  await drive.shut()
  drive = await scratch.open()
  t.is((await drive.tree.lookup(ROOT_INO, odd, caller))!.mode, DIRECTORY | 0o755)
  t.is((await drive.tree.lookup(ROOT_INO, long, caller))!.nlink, 1)
  t.is(await drive.tree.lookup(ROOT_INO, name('absent'), caller), undefined)
  await drive.shut()
  scratch.remove()
})

test('directories count their subdirectories and cannot be removed while they have entries (R-01)', async (t) => {
  await withDrive(async ({ tree }) => {
    const a = await tree.makeDirectory(ROOT_INO, name('a'), 0o755, caller)
    t.is((await tree.getAttributes(ROOT_INO, caller)).nlink, 3)
    await tree.makeDirectory(a.ino, name('b'), 0o755, caller)
    t.is((await tree.getAttributes(a.ino, caller)).nlink, 3)
    t.is(await codeOf(() => tree.removeDirectory(ROOT_INO, name('a'), caller)), 'NOT_EMPTY')
    t.is(await codeOf(() => tree.unlink(ROOT_INO, name('a'), caller)), 'IS_A_DIRECTORY')
    t.is(await codeOf(() => tree.makeDirectory(ROOT_INO, name('a'), 0o755, caller)), 'EXISTS')
    await tree.removeDirectory(a.ino, name('b'), caller)
    await tree.removeDirectory(ROOT_INO, name('a'), caller)
    t.is((await tree.getAttributes(ROOT_INO, caller)).nlink, 2)
    t.is(await find(tree, 'a'), undefined)
    t.is(await codeOf(() => tree.removeDirectory(ROOT_INO, name('a'), caller)), 'NOT_FOUND')
  })
})

test('entries of setgid directories inherit the group (R-01)', async (t) => {
  await withDrive(async ({ tree }) => {
    const shared = await tree.makeDirectory(ROOT_INO, name('shared'), 0o2775, { ...caller, gid: 77 })
    t.is(shared.mode & 0o7777, 0o775)
    await tree.setAttributes(shared.ino, { mode: 0o2775 }, undefined, root)
    const child = await tree.makeDirectory(shared.ino, name('child'), 0o755, caller)
    t.deepEqual([child.gid, child.mode & 0o7777], [77, 0o2755])
    const file = await tree.create(shared.ino, name('file'), 0o644, OPEN.READ_WRITE, caller)
    t.is(file.attributes.gid, 77)
  })
})

test('writing and changing the owner clear the set-id bits (R-01)', async (t) => {
  await withDrive(async ({ tree }) => {
    const { ino, handle } = await createFile(tree, 'tool')
    await tree.setAttributes(ino, { mode: 0o6755 }, undefined, root)
    await tree.write(ino, handle, 0, Buffer.from('x'), caller)
    t.is((await tree.getAttributes(ino, caller)).mode & 0o7777, 0o755)
    await tree.setAttributes(ino, { mode: 0o6755 }, undefined, root)
    await tree.setAttributes(ino, { uid: 5 }, undefined, root)
    t.is((await tree.getAttributes(ino, caller)).mode & 0o7777, 0o755)
  })
})

test('rename replaces, refuses and exchanges as Linux does (R-01)', async (t) => {
  await withDrive(async ({ tree }) => {
    const a = await writeFile(tree, 'a', Buffer.from('A'))
    const b = await writeFile(tree, 'b', Buffer.from('B'))
    const directory = await tree.makeDirectory(ROOT_INO, name('d'), 0o755, caller)
    const inner = await tree.makeDirectory(directory.ino, name('inner'), 0o755, caller)
    const move = (from: string, to: string, flags = 0): Promise<string> =>
      codeOf(() =>
        tree.rename({ parent: ROOT_INO, name: name(from) }, { parent: ROOT_INO, name: name(to) }, flags, caller),
      )
    t.is(await move('a', 'b', RENAME.NO_REPLACE), 'EXISTS')
    t.is(await move('a', 'b', 4), 'INVALID')
    t.is(await move('gone', 'b'), 'NOT_FOUND')
    t.is(await move('a', 'd'), 'IS_A_DIRECTORY')
    t.is(await move('d', 'a'), 'NOT_A_DIRECTORY')
    t.is(
      await codeOf(() =>
        tree.rename({ parent: ROOT_INO, name: name('d') }, { parent: inner.ino, name: name('x') }, 0, caller),
      ),
      'INVALID',
    )
    t.is(
      await codeOf(() =>
        tree.rename({ parent: ROOT_INO, name: name('d') }, { parent: directory.ino, name: name('x') }, 0, caller),
      ),
      'INVALID',
    )
    t.is(await move('a', 'b', RENAME.EXCHANGE), 'ok')
    t.deepEqual([(await find(tree, 'a'))!.ino, (await find(tree, 'b'))!.ino], [b, a])
    t.is(await move('a', 'gone', RENAME.EXCHANGE), 'NOT_FOUND')
    t.is(
      await codeOf(() =>
        tree.rename(
          { parent: ROOT_INO, name: name('a') },
          { parent: directory.ino, name: name('inner') },
          RENAME.EXCHANGE,
          caller,
        ),
      ),
      'ok',
    )
    t.deepEqual(
      [(await tree.getAttributes(ROOT_INO, caller)).nlink, (await tree.getAttributes(directory.ino, caller)).nlink],
      [4, 2],
    )
    t.is(tree.parentOf(inner.ino), ROOT_INO)
    t.is(
      await codeOf(() =>
        tree.rename({ parent: directory.ino, name: name('inner') }, { parent: ROOT_INO, name: name('b') }, 0, caller),
      ),
      'ok',
    )
    t.is((await find(tree, 'b'))!.ino, b)
    t.is(await codeOf(() => tree.getAttributes(a, caller)), 'STALE')
    const e = await tree.makeDirectory(ROOT_INO, name('e'), 0o755, caller)
    t.is(await move('d', 'e'), 'ok')
    t.is(await codeOf(() => tree.getAttributes(e.ino, caller)), 'STALE')
    t.is((await tree.getAttributes(ROOT_INO, caller)).nlink, 4)
  })
})

test('hard links share one inode until the last name is removed, across restarts (R-01)', async (t) => {
  const scratch = scratchDrive()
  let drive = await scratch.open()
  const ino = await writeFile(drive.tree, 'one', Buffer.from('text'))
  const directory = await drive.tree.makeDirectory(ROOT_INO, name('d'), 0o755, caller)
  await drive.tree.link(ino, directory.ino, name('two'), caller)
  const three = await drive.tree.link(ino, ROOT_INO, name('three'), caller)
  t.is(three.nlink, 3)
  t.is(await codeOf(() => drive.tree.link(directory.ino, ROOT_INO, name('x'), caller)), 'NOT_PERMITTED')
  t.is(await codeOf(() => drive.tree.link(ino, ROOT_INO, name('one'), caller)), 'EXISTS')
  await drive.tree.rename({ parent: ROOT_INO, name: name('one') }, { parent: ROOT_INO, name: name('three') }, 0, caller)
  t.is((await drive.tree.getAttributes(ino, caller)).nlink, 3)
  await drive.shut()
  drive = await scratch.open()
  await drive.tree.unlink(ROOT_INO, name('one'), caller)
  await drive.tree.rename(
    { parent: directory.ino, name: name('two') },
    { parent: ROOT_INO, name: name('four') },
    0,
    caller,
  )
  await drive.tree.unlink(ROOT_INO, name('three'), caller)
  t.is((await find(drive.tree, 'four'))!.nlink, 1)
  t.is(drive.tree.parentOf(ino), ROOT_INO)
  t.is(String(await readInode(drive.tree, ino)), 'text')
  await drive.tree.link(ino, directory.ino, name('five'), caller)
  await drive.tree.unlink(ROOT_INO, name('four'), caller)
  await drive.tree.unlink(directory.ino, name('five'), caller)
  t.is(await codeOf(() => drive.tree.getAttributes(ino, caller)), 'STALE')
  t.deepEqual([...drive.meta.table('links', { sealed: true }).range()], [])
  t.is((await drive.port.counts()).total.files, 0)
  await drive.shut()
  scratch.remove()
})

test('an unlinked file exists while it is open or known to the kernel, and is gone after a crash (R-01)', async (t) => {
  const scratch = scratchDrive()
  let drive = await scratch.open()
  const { ino, handle } = await createFile(drive.tree, 'open')
  await drive.tree.write(ino, handle, 0, Buffer.alloc(300_000, 7), caller)
  drive.tree.remember(ino)
  await drive.tree.sync(ino, false, caller)
  await drive.tree.unlink(ROOT_INO, name('open'), caller)
  await drive.tree.write(ino, handle, 300_000, Buffer.alloc(10, 8), caller)
  await drive.tree.sync(ino, false, caller)
  t.is((await drive.tree.getAttributes(ino, caller)).nlink, 0)
  t.is((await drive.port.counts()).total.files, 0)
  const crashed = scratch.crashCopy()
  drive.tree.release(ino, handle)
  t.is((await readInode(drive.tree, ino)).length, 300_010)
  drive.tree.forget(ino, 1)
  t.is(await codeOf(() => drive.tree.getAttributes(ino, caller)), 'STALE')
  await drive.shut()
  drive = await crashed.open()
  t.is(await codeOf(() => drive.tree.getAttributes(ino, caller)), 'STALE')
  t.deepEqual([...drive.meta.table('chunks', { sealed: true }).range()], [])
  await drive.shut()
  scratch.remove()
  crashed.remove()
})

test('times, modes, xattrs, symlinks and device nodes are read back as they were set (R-01)', async (t) => {
  const scratch = scratchDrive()
  let drive = await scratch.open()
  const { ino } = await createFile(drive.tree, 'f')
  const time = { sec: -5, nsec: 999_999_999 }
  await drive.tree.setAttributes(
    ino,
    { mtime: time, atime: { sec: 7, nsec: 1 }, mode: 0o751, uid: 3, gid: 4 },
    undefined,
    root,
  )
  await drive.tree.setXattr(ino, 'user.a', Buffer.from('1'), XATTR.CREATE, caller)
  await drive.tree.setXattr(ino, 'user.b', Buffer.alloc(5000, 2), 0, caller)
  t.is(await codeOf(() => drive.tree.setXattr(ino, 'user.a', Buffer.from('2'), XATTR.CREATE, caller)), 'EXISTS')
  t.is(await codeOf(() => drive.tree.setXattr(ino, 'user.c', Buffer.from('2'), XATTR.REPLACE, caller)), 'NO_DATA')
  t.is(await codeOf(() => drive.tree.setXattr(ino, 'system.posix_acl_access', Buffer.from('2'), 0, caller)), 'INVALID')
  for (const acl of ['system.posix_acl_access', 'system.posix_acl_default']) {
    t.is(await codeOf(() => drive.tree.getXattr(ino, acl, caller)), 'NO_DATA')
  }
  t.is(await codeOf(() => drive.tree.getXattr(ino, 'other.a', caller)), 'NOT_SUPPORTED')
  await drive.tree.removeXattr(ino, 'user.a', caller)
  t.is(await codeOf(() => drive.tree.getXattr(ino, 'user.a', caller)), 'NO_DATA')
  const link = await drive.tree.makeSymlink(ROOT_INO, name('link'), Buffer.from('../target'), caller)
  t.is(link.size, 9)
  const fifo = await drive.tree.makeNode(ROOT_INO, name('fifo'), FIFO | 0o600, 0, caller)
  await drive.shut()
  drive = await scratch.open()
  const found = await drive.tree.getAttributes(ino, caller)
  t.deepEqual([found.mtimeSec, found.mtimeNsec, found.atimeSec, found.atimeNsec], [-5, 999_999_999, 7, 1])
  t.deepEqual([found.mode & 0o7777, found.uid, found.gid], [0o751, 3, 4])
  t.deepEqual(await drive.tree.listXattrs(ino, caller), ['user.b'])
  t.is((await drive.tree.getXattr(ino, 'user.b', caller)).length, 5000)
  t.is(String(Buffer.from(await drive.tree.readLink(link.ino, caller))), '../target')
  t.is((await drive.tree.getAttributes(fifo.ino, caller)).mode, FIFO | 0o600)
  t.is(await codeOf(() => drive.tree.readLink(ino, caller)), 'INVALID')
  await drive.shut()
  scratch.remove()
})
