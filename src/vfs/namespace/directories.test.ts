import test from 'ava'
import { nameFromText, seededRandom } from '../../base/index.js'
import { MemoryEnvironment } from '../../../test/support/sync/memory-environment.js'
import { bareAttributes } from '../../model/index.js'
import { Inode } from '../inodes/inode.js'
import { Directories } from './directories.js'
import { nameHasher } from './name-hash.js'

const S_IFDIR = 0o040000
const DIRECTORIES = 40
const NAMES = 5_000

test('S-064 R-73 the names cached of many new directories are bounded, and names dropped are found again', (t) => {
  const random = seededRandom(3)
  const table = new MemoryEnvironment().table('dentries')
  const directories = new Directories(table, nameHasher(random.bytes(32)))
  const made: Inode[] = []
  const nameOf = (i: number) => nameFromText(`name ${i}`)
  const cached = (): number => made.reduce((sum, { directory }) => sum + (directory?.entries.size ?? 0), 0)
  let most = 0
  for (let d = 0; d < DIRECTORIES; d++) {
    const inode = newDirectory(d + 2)
    directories.begin(inode)
    made.push(inode)
    for (let i = 0; i < NAMES; i++) directories.set(inode, nameOf(i), 1_000 + i, 8)
    most = Math.max(most, cached())
  }
  t.true(most > 50_000, `${most}`)
  t.true(most <= 100_000, `${most}`)
  for (const inode of made) t.is(directories.find(inode, nameOf(NAMES - 1))?.ino, 1_000 + NAMES - 1)
  t.true(cached() <= 100_000)
})

function newDirectory(ino: number): Inode {
  const fields = { ino, parent: 1, nextCookie: 3, inline: undefined, ref: undefined, unloaded: false }
  return new Inode(Object.assign(bareAttributes(new Uint8Array(16) as never, S_IFDIR | 0o755), fields), false)
}
