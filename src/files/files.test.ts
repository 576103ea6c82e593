import test, { type ExecutionContext } from 'ava'
import { caller, name, scratchDrive } from '../../test/support/vfs/drive.js'
import { isDriveError, KIB, MIB, nameFromBytes, seededRandom, type DriveErrorCode } from '../base/index.js'
import { OPEN, ROOT_INO } from '../vfs/index.js'
import { readStream, writeStream, type FilesSession } from './index.js'
import { world, filesOf, put } from '../../test/support/vfs/files-session.js'

async function textAt(files: FilesSession, path: string): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of readStream(files, { path })) parts.push(part)
  return Buffer.concat(parts).toString()
}

const fails = async (t: ExecutionContext, code: DriveErrorCode, work: Promise<unknown>): Promise<void> => {
  const error = await t.throwsAsync(work)
  t.true(isDriveError(error, code), String(error))
}

test('a file is found by path and by id, and keeps its id through rename, move and overwrite', async (t) => {
  const { files } = await world(t)
  await files.makeDirectory('/a/b', { parents: true }, 'test')
  const made = await put(files, 'a/b/one', 'first')
  const found = await files.stat({ path: '/a/b/one' })
  t.is(found.id, made.id)
  t.like(found, { name: 'one', type: 'file', size: 5, links: 1, uid: 7, gid: 8, mode: 0o644 })
  t.is(found.parentId, (await files.stat({ path: 'a/b' })).id)
  t.is((await put(files, 'a/b/one', 'second')).id, made.id, 'an overwrite keeps the id')
  await files.rename({ id: made.id }, 'a/two', { replace: false }, 'test')
  t.like(await files.stat({ id: made.id }), { name: 'two', size: 6 })
  t.is(await textAt(files, 'a/two'), 'second')
  await fails(t, 'NOT_FOUND', files.stat({ path: 'a/b/one' }))
})

test('ids of all files are known after a restart, and those of removed files are not', async (t) => {
  const scratch = scratchDrive()
  t.teardown(() => scratch.remove())
  const first = await scratch.open()
  const before = filesOf(first)
  const ids = new Map<string, string>()
  for (const path of ['x', 'y', 'z']) ids.set(path, (await put(before, path, path)).id)
  await put(before, 'y', 'again')
  await before.remove({ path: 'z' }, { recursive: false }, 'test')
  await before.closeAll()
  await first.shut()
  const second = await scratch.open()
  const after = filesOf(second)
  t.is((await after.stat({ id: ids.get('x') ?? '' })).name, 'x')
  t.like(await after.stat({ id: ids.get('y') ?? '' }), { name: 'y', size: 5 })
  await fails(t, 'NOT_FOUND', after.stat({ id: ids.get('z') ?? '' }))
  await fails(t, 'NOT_FOUND', after.stat({ id: '0'.repeat(32) }))
  await fails(t, 'INVALID', after.stat({ id: '../etc' }))
  await after.closeAll()
  await second.shut()
})

test('a write replaces the content atomically: readers see the old content until the commit', async (t) => {
  const { files, drive } = await world(t)
  await put(files, 'doc', 'old')
  const upload = await files.beginWrite('doc', {}, 'test')
  await files.append(upload, Buffer.from('new and '))
  t.is(await textAt(files, 'doc'), 'old')
  await files.append(upload, Buffer.from('longer'))
  await files.commit(upload)
  t.is(await textAt(files, 'doc'), 'new and longer')
  const given = await files.beginWrite('doc', {}, 'test')
  await files.append(given, Buffer.from('never'))
  await files.abandon(given)
  t.is(await textAt(files, 'doc'), 'new and longer')
  const { entries } = await files.list({ path: '' }, { limit: 10 })
  t.deepEqual(
    entries.map((entry) => entry.name),
    ['doc'],
    'nothing is left beside it',
  )
  t.truthy(await drive.tree.lookup(ROOT_INO, name('doc'), caller))
})

test('conditions: only if the path is absent, only if the file has not changed', async (t) => {
  const { files } = await world(t)
  await put(files, 'f', '1')
  await fails(t, 'EXISTS', put(files, 'f', '2', { ifAbsent: true }))
  const { revision } = await files.stat({ path: 'f' })
  await put(files, 'f', '22', { ifRevision: revision })
  await fails(t, 'STALE', put(files, 'f', '3', { ifRevision: revision }))
  await fails(t, 'NOT_FOUND', put(files, 'g', '3', { ifRevision: revision }))
  await fails(
    t,
    'EXISTS',
    files.rename({ path: 'f' }, 'f', { replace: false }, 'test').then(() => put(files, 'f', '', { ifAbsent: true })),
  )
  t.is(await textAt(files, 'f'), '22')
})

test('a paged listing neither skips nor repeats unchanged entries while others are added and removed', async (t) => {
  const { files } = await world(t)
  for (let i = 0; i < 30; i++) await put(files, `n${String(i)}`, '')
  const seen: string[] = []
  let cursor: string | undefined
  do {
    const page = await files.list({ path: '/' }, { limit: 7, ...(cursor === undefined ? {} : { cursor }) })
    seen.push(...page.entries.map((entry) => entry.name))
    cursor = page.cursor
    if (seen.length === 14) {
      await files.remove({ path: 'n3' }, { recursive: false }, 'test')
      await files.remove({ path: 'n20' }, { recursive: false }, 'test')
    }
  } while (cursor !== undefined)
  t.is(new Set(seen).size, seen.length)
  t.deepEqual(
    seen,
    Array.from({ length: 30 }, (_, i) => `n${String(i)}`).filter((each) => each !== 'n20'),
  )
  await fails(t, 'INVALID', files.list({ path: '/' }, { limit: 7, cursor: '../..' }))
})

test('a name that is not UTF-8 is listed with its bytes and reached by id', async (t) => {
  const { files, drive } = await world(t)
  const odd = nameFromBytes(Buffer.from([0x66, 0xff, 0xfe]))
  const { attributes, opened } = await drive.tree.create(ROOT_INO, odd, 0o600, OPEN.WRITE_ONLY, caller)
  drive.tree.release(attributes.ino, opened.handle)
  const entry = (await files.list({ path: '' }, { limit: 5 })).entries[0]
  t.is(Buffer.from(entry?.nameBytes ?? '', 'base64').toString('latin1'), odd)
  await fails(t, 'INVALID', files.stat({ path: String(entry?.name) }))
  await files.rename({ id: entry?.id ?? '' }, 'plain', { replace: false }, 'test')
  t.is((await files.stat({ path: 'plain' })).id, entry?.id ?? '')
})

test('a stream reads ranges, and the number of pieces read ahead is bounded', async (t) => {
  const { files } = await world(t)
  const content = Buffer.from(seededRandom(9).bytes(9 * MIB + 123))
  await put(files, 'big', content)
  let asked = 0
  const counted = { ...files, read: (...given: Parameters<FilesSession['read']>) => (asked++, files.read(...given)) }
  const parts: Uint8Array[] = []
  for await (const part of readStream(counted, { path: 'big' })) {
    parts.push(part)
    t.true(asked - parts.length <= 4)
  }
  t.true(Buffer.concat(parts).equals(content))
  const range: Uint8Array[] = []
  const wanted = { start: MIB - 5, end: 3 * MIB + 7 * KIB }
  for await (const part of readStream(files, { path: 'big' }, wanted)) range.push(part)
  t.true(Buffer.concat(range).equals(content.subarray(wanted.start, wanted.end)))
})

test('a failing source leaves the old content and no other file', async (t) => {
  const { files } = await world(t)
  await put(files, 'f', 'old')
  const failing = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from('half')
    throw new Error('gone')
  }
  await t.throwsAsync(writeStream(files, 'f', failing(), { origin: 'test' }), { message: 'gone' })
  t.is(await textAt(files, 'f'), 'old')
  t.is((await files.list({ path: '' }, { limit: 9 })).entries.length, 1)
})

test('S-082 new content keeps the mode, owner and extended attributes of the file it replaces', async (t) => {
  const { files, drive } = await world(t)
  const { tree } = drive
  const root = { ...caller, uid: 0, gid: 0 }
  // An access control list that new entries inherit from the directory.
  const acl = Buffer.from(
    '020000000100070000000000020007006300000004000500ffffffff10000700ffffffff20000500ffffffff',
    'hex',
  )
  acl.writeUInt32LE(0xffffffff, 8)
  const { id } = await put(files, 'doc', 'old')
  const { ino } = (await tree.lookup(ROOT_INO, name('doc'), caller))!
  await tree.setXattr(ino, 'user.tag', Buffer.from('red'), 0, root)
  await tree.setXattr(ino, 'trusted.mark', Buffer.from('x'), 0, root)
  await tree.setAttributes(ino, { mode: 0o640, uid: 12, gid: 13 }, undefined, root)
  await tree.setXattr(ROOT_INO, 'system.posix_acl_default', acl, 0, root)
  const upload = await files.beginWrite('doc', {}, 'test')
  await files.append(upload, Buffer.from('new'))
  // Attribute changes during the upload count too.
  await tree.setAttributes(ino, { mode: 0o600 }, undefined, root)
  await tree.setXattr(ino, 'user.late', Buffer.from('yes'), 0, root)
  await tree.removeXattr(ino, 'user.tag', root)
  t.is((await files.commit(upload)).id, id)
  t.is(await textAt(files, 'doc'), 'new')
  const now = (await tree.lookup(ROOT_INO, name('doc'), caller))!
  t.not(now.ino, ino)
  t.like(now, { mode: 0o100600, uid: 12, gid: 13 })
  t.deepEqual([...(await tree.listXattrs(now.ino, root))].sort(), ['trusted.mark', 'user.late'])
  const fresh = await put(files, 'fresh', 'one')
  const made = (await tree.lookup(ROOT_INO, name('fresh'), caller))!
  t.truthy(fresh.id)
  t.deepEqual(await tree.listXattrs(made.ino, root), ['system.posix_acl_access'], 'a new file inherits')
})

test('S-082 new content does not replace a link, a special file or a file with other names: nothing is lost', async (t) => {
  const { files, drive } = await world(t)
  const { tree } = drive
  await put(files, 'file', 'kept')
  const { ino } = (await tree.lookup(ROOT_INO, name('file'), caller))!
  await tree.makeSymlink(ROOT_INO, name('link'), Buffer.from('file'), caller)
  await tree.makeNode(ROOT_INO, name('pipe'), 0o010644, 0, caller)
  await fails(t, 'EXISTS', put(files, 'link', 'new'))
  await fails(t, 'EXISTS', put(files, 'pipe', 'new'))
  const upload = await files.beginWrite('file', {}, 'test')
  await files.append(upload, Buffer.from('new'))
  await tree.link(ino, ROOT_INO, name('other'), caller)
  await fails(t, 'TOO_MANY_LINKS', files.commit(upload))
  await fails(t, 'TOO_MANY_LINKS', put(files, 'other', 'new'))
  t.is(await textAt(files, 'other'), 'kept')
  await files.remove({ path: 'other' }, { recursive: false }, 'test')
  await put(files, 'file', 'new')
  t.is(await textAt(files, 'file'), 'new')
  const { entries } = await files.list({ path: '' }, { limit: 10 })
  t.deepEqual(entries.map((entry) => entry.name).sort(), ['file', 'link', 'pipe'], 'nothing is left beside them')
})

test('a large removal ends when its caller cancels, and does not block other work', async (t) => {
  const { files } = await world(t)
  await files.makeDirectory('d', { parents: false }, 'test')
  for (let i = 0; i < 300; i++) await files.makeDirectory(`d/${String(i)}`, { parents: false }, 'test')
  const gone = new AbortController()
  const removing = files.remove({ path: 'd' }, { recursive: true }, 'test', gone.signal)
  let turns = 0
  const timer = setInterval(() => {
    if (++turns === 2) gone.abort()
  }, 0)
  await fails(t, 'ABORTED', removing)
  clearInterval(timer)
  t.true((await files.list({ path: 'd' }, { limit: 1000 })).entries.length > 0)
  await files.remove({ path: 'd' }, { recursive: true }, 'test')
})

test('S-081 half a surrogate pair encodes no bytes, so it is not a valid name', async (t) => {
  const { files } = await world(t)
  await fails(t, 'INVALID', put(files, 'a\ud800', 'x'))
  await fails(t, 'INVALID', files.stat({ path: '\udc00' }))
})
