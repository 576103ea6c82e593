/** The contract of TreeView, for every environment its snapshot may come from. */
import type { ExecutionContext, TestFn } from 'ava'
import { nameFromText } from '../../src/base/index.js'
import { be48, be64, type Environment, type Snapshot } from '../../src/storage/kv/index.js'
import {
  chunkKey,
  dentryKey,
  dirtyKey,
  encodeChunk,
  encodeDentry,
  encodeInode,
  encodeRemoved,
  inodeKey,
  linkKey,
  pageKey,
  removedKey,
  TABLES,
  TreeView,
  type ChunkRecord,
  type InodeRecord,
} from '../../src/tree-state/index.js'

export interface TreeViewHouse {
  readonly environment: Environment
  snapshot(): Snapshot
  close(): Promise<void>
}

/** More than one page of rows. */
const MANY = 5000
const DIRECTORY = 7
const FILE = 8
const NEIGHBOUR = 9

export function treeViewSuite(test: TestFn, name: string, open: () => TreeViewHouse): void {
  const filled = async (t: ExecutionContext): Promise<{ view: TreeView; house: TreeViewHouse }> => {
    const house = open()
    t.teardown(() => house.close())
    fill(house.environment)
    await house.environment.commit()
    const view = new TreeView(house.snapshot())
    t.teardown(() => view.close())
    return { view, house }
  }

  test(`${name}: every row of a table larger than a page is returned once, in order, and only those of its inode`, async (t) => {
    const { view } = await filled(t)
    const offsets = Array.from(view.chunks(FILE), ({ offset }) => offset)
    t.deepEqual(
      offsets,
      Array.from({ length: MANY }, (_, i) => i * 100),
    )
    t.is([...view.chunks(NEIGHBOUR)].length, 1)
    t.is([...view.entries(DIRECTORY)].length, MANY)
    t.deepEqual(
      Array.from(view.pages(FILE, 10, 700), ({ index }) => index),
      Array.from({ length: 690 }, (_, i) => i + 10),
    )
    t.is([...view.removed()].length, MANY)
    t.is([...view.removed(MANY - 3)].length, 3)
    t.is([...view.inodes()].length, 3)
  })

  test(`${name}: the change log returns inodes changed after a sequence`, async (t) => {
    const { view } = await filled(t)
    t.deepEqual(
      [...view.changes()],
      [
        { ino: DIRECTORY, sequence: 3 },
        { ino: FILE, sequence: 5 },
      ],
    )
    t.deepEqual([...view.changes(3)], [{ ino: FILE, sequence: 5 }])
    t.deepEqual([...view.changes(5)], [])
    t.true(view.isDirty(FILE))
    t.false(view.isDirty(NEIGHBOUR))
    t.true(view.hasChanges && view.hasRemoved)
  })

  test(`${name}: single rows, ranges and counters`, async (t) => {
    const { view } = await filled(t)
    t.is(view.published, 2)
    t.is(view.nextRemoved, MANY)
    t.is(view.inode(FILE)?.size, 4096)
    t.is(view.inode(12345), undefined)
    t.deepEqual(
      Array.from(view.chunksBetween(FILE, 150, 400), ({ offset }) => offset),
      [200, 300],
    )
    t.true(view.hasChunks(FILE) && view.hasPages(FILE))
    t.false(view.hasPages(NEIGHBOUR) || view.hasChunks(DIRECTORY))
    t.deepEqual([...view.parentsOfLinked(FILE)], [DIRECTORY, 70])
    t.is(view.linkedBy(fileId(FILE)), FILE)
    t.is(view.linkedBy(fileId(NEIGHBOUR)), undefined)
    t.deepEqual(
      Array.from(view.linked(), ({ ino }) => ino),
      [FILE],
    )
    t.deepEqual([...view.orphans()], [NEIGHBOUR])
  })

  test(`${name}: a view does not change while the environment does`, async (t) => {
    const { view, house } = await filled(t)
    const { environment } = house
    environment.table(TABLES.dirty, { sealed: true }).put(dirtyKey(NEIGHBOUR), be48(9))
    environment.table(TABLES.inodes, { sealed: true }).delete(inodeKey(FILE))
    await environment.commit()
    t.false(view.isDirty(NEIGHBOUR))
    t.is(view.inode(FILE)?.ino, FILE)
    const next = new TreeView(house.snapshot())
    t.true(next.isDirty(NEIGHBOUR))
    t.is(next.inode(FILE), undefined)
    next.close()
  })
}

function fill(environment: Environment): void {
  const table = (name: string): ReturnType<Environment['table']> => environment.table(name, { sealed: true })
  const [chunks, dentries, pages] = [table(TABLES.chunks), table(TABLES.dentries), table(TABLES.pages)]
  const removed = table(TABLES.removed)
  for (let i = 0; i < MANY; i++) {
    chunks.put(chunkKey(FILE, i * 100), encodeChunk(chunk(i * 100)))
    const name = nameFromText(`file ${i}`)
    dentries.put(dentryKey(DIRECTORY, Buffer.alloc(16, be64(i))), encodeDentry({ name, ino: FILE, type: 8, cookie: i }))
    removed.put(removedKey(i), encodeRemoved({ kind: 'block', digest: Buffer.alloc(32, i), born: 1 }))
  }
  for (let i = 0; i < 1000; i++) pages.put(pageKey(FILE, i), Buffer.alloc(20, i))
  chunks.put(chunkKey(NEIGHBOUR, 0), encodeChunk(chunk(0)))
  for (const ino of [DIRECTORY, FILE, NEIGHBOUR]) table(TABLES.inodes).put(inodeKey(ino), encodeInode(inode(ino)))
  table(TABLES.dirty).put(dirtyKey(FILE), be48(5))
  table(TABLES.dirty).put(dirtyKey(DIRECTORY), be48(3))
  table(TABLES.ids).put(fileId(FILE), be64(FILE))
  for (const parent of [DIRECTORY, 70]) table(TABLES.links).put(linkKey(FILE, parent, Buffer.alloc(16)), Buffer.of(1))
  const state = table(TABLES.state)
  state.put(Buffer.from('published'), be48(2))
  state.put(Buffer.from('nextRemoved'), be64(MANY))
  state.put(Buffer.concat([Buffer.from('orphan/'), be64(NEIGHBOUR)]), Buffer.of(1))
}

const fileId = (ino: number): Buffer => Buffer.alloc(16, ino)

function chunk(offset: number): ChunkRecord {
  return { offset, length: 100, skip: 0, digest: Buffer.alloc(32, 1), key: Buffer.alloc(32, 2), born: 1 }
}

function inode(ino: number): InodeRecord {
  return {
    ino,
    fileId: fileId(ino),
    mode: ino === DIRECTORY ? 0o040755 : 0o100644,
    uid: 0,
    gid: 0,
    nlink: 1,
    rdev: 0,
    size: 4096,
    atimeSec: 1,
    atimeNsec: 0,
    mtimeSec: 1,
    mtimeNsec: 0,
    ctimeSec: 1,
    ctimeNsec: 0,
    btimeSec: 1,
    btimeNsec: 0,
    parent: 1,
    nextCookie: 1,
    fixedChunks: false,
    inline: undefined,
    ref: undefined,
    unloaded: false,
    xattrs: [],
  }
}
