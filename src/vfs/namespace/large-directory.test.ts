import test from 'ava'
import { silentLog, type PlainName } from '../../base/index.js'
import { openEnvironment } from '../../storage/kv/index.js'
import { TYPE } from '../../tree-state/index.js'
import { caller, list, name, scratchDrive } from '../../../test/support/vfs/drive.js'
import { scratchDirectory } from '../../../test/support/storage/storage.js'
import { Inode } from '../inodes/inode.js'
import { ROOT_INO } from '../tree.js'
import { Directories } from './directories.js'
import { nameHasher } from './name-hash.js'

const NAMES = 61_000
const A_PAGE = 1000

test('S-088 a directory with very many names is listed in pages, each name once, whatever is created and removed between them', async (t) => {
  t.timeout(10 * 60_000)
  const scratch = scratchDrive()
  const drive = await scratch.open()
  t.teardown(async () => {
    await drive.abandon()
    scratch.remove()
  })
  const { tree } = drive
  for (let i = 0; i < NAMES; i++) await tree.makeNode(ROOT_INO, name(`file-${i}`), 0o100644, 0, caller)
  t.is(new Set((await list(tree)).map((entry) => entry.name)).size, NAMES)

  const { handle } = await tree.openDirectory(ROOT_INO, caller)
  const seen: PlainName[] = []
  let gone = 0
  for (let [cookie, isEnd] = [0, false]; !isEnd;) {
    const page: PlainName[] = []
    const visit = (entry: { name: PlainName; cookie: number }): boolean => {
      if (page.length === A_PAGE) return false
      page.push(entry.name)
      cookie = entry.cookie
      return true
    }
    await tree.readDirectory(ROOT_INO, handle, { cookie, withAttributes: false, visit }, caller)
    isEnd = page.length === 0
    seen.push(...page)
    const some = page.slice(0, 3)
    for (const one of some) await tree.unlink(ROOT_INO, one, caller)
    gone += some.length
    if (!isEnd) await tree.makeNode(ROOT_INO, name(`new-${seen.length}`), 0o100644, 0, caller)
  }
  tree.releaseDirectory(ROOT_INO, handle)
  const old = seen.filter((one) => one.startsWith('file-'))
  t.is(old.length, NAMES)
  t.is(new Set(seen).size, seen.length)
  t.is((await list(tree)).filter((entry) => entry.name.startsWith('file-')).length, NAMES - gone)
})

test('S-064 the names of a directory that grows very large, or is scanned, do not stay in memory', async (t) => {
  const scratch = scratchDirectory()
  const environment = openEnvironment({ path: scratch.path, log: silentLog })
  t.teardown(async () => {
    await environment.close()
    scratch.remove()
  })
  const directories = new Directories(environment.table('dentries'), nameHasher(Buffer.alloc(32, 3)))
  const inode = directoryInode()
  directories.begin(inode)
  let most = 0
  for (let i = 0; i < NAMES + 5_000; i++) {
    directories.set(inode, name(`file-${i}`), i + 10, TYPE.FILE)
    most = Math.max(most, inode.directory!.entries.size)
  }
  t.true(most <= 60_000, `${most} names were in memory`)
  t.is(directories.list(inode), undefined)
  for (let i = 0; i < NAMES + 5_000; i++) t.is(directories.find(inode, name(`file-${i}`))?.ino, i + 10)
  t.true(inode.directory!.entries.size <= 60_000)
  t.is(directories.find(inode, name('absent')), undefined)
  t.is(directories.nameOf(inode, 10), 'file-0' as PlainName)
  t.false(directories.isEmpty(inode))
})

function directoryInode(): Inode {
  const times = {
    atimeSec: 0,
    atimeNsec: 0,
    mtimeSec: 0,
    mtimeNsec: 0,
    ctimeSec: 0,
    ctimeNsec: 0,
    btimeSec: 0,
    btimeNsec: 0,
  }
  const owner = { uid: 0, gid: 0, nlink: 2, rdev: 0, size: 0, parent: 1, nextCookie: 3 }
  const content = { fixedChunks: false, inline: undefined, ref: undefined, unloaded: false, xattrs: [] }
  return new Inode(
    { ino: 5, fileId: Buffer.alloc(16), mode: (TYPE.DIRECTORY << 12) | 0o755, ...owner, ...times, ...content },
    false,
  )
}
