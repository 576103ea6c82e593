import test, { type ExecutionContext } from 'ava'
import { MIB, seededRandom } from '../../base/index.js'
import {
  caller,
  createFile,
  find,
  name,
  readInode,
  scratchDrive,
  seedOf,
  writeFile,
  type OpenDrive,
  type Scratch,
} from '../../../test/support/vfs/drive.js'
import { OPEN, RENAME, ROOT_INO } from '../tree.js'

const KIB = 1024

interface Subject {
  readonly drive: OpenDrive
  readonly scratch: Scratch
  /** The drive as a crash at this moment would leave it. */
  readonly crashed: () => Promise<OpenDrive>
}

async function start(t: ExecutionContext): Promise<Subject> {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  t.teardown(async () => {
    await drive.abandon()
    scratch.remove()
  })
  return {
    drive,
    scratch,
    async crashed() {
      const copy = scratch.crashCopy()
      const left = await copy.open()
      t.teardown(async () => {
        await left.abandon()
        copy.remove()
      })
      return left
    },
  }
}

const contentOf = async (drive: OpenDrive, text: string): Promise<Buffer | undefined> => {
  const found = await find(drive.tree, text)
  return found === undefined ? undefined : readInode(drive.tree, found.ino)
}

test('S-002 writes before the sync of a file or a directory survive a crash too', async (t) => {
  const { drive, crashed } = await start(t)
  const { tree } = drive
  const old = await createFile(tree, 'a')
  await tree.write(old.ino, old.handle, 0, Buffer.alloc(100 * KIB, 'o'), caller)
  await tree.sync(old.ino, false, caller)

  await tree.write(old.ino, old.handle, 5000, Buffer.from('new'), caller)
  await writeFile(tree, 'closed', Buffer.alloc(50 * KIB, 'c'))
  const log = await createFile(tree, 'log')
  await tree.write(log.ino, log.handle, 0, Buffer.from('one\n'), caller)
  const big = await createFile(tree, 'big')
  for (let i = 0; i < 9; i++) await tree.write(big.ino, big.handle, i * MIB, Buffer.alloc(MIB, i + 1), caller)
  const b = await createFile(tree, 'b')
  await tree.write(b.ino, b.handle, 0, Buffer.from('b'), caller)
  await tree.sync(b.ino, false, caller)

  const left = await crashed()
  t.is(String(await contentOf(left, 'b')), 'b')
  t.is(String((await contentOf(left, 'a'))!.subarray(4999, 5004)), 'onewo')
  t.is((await contentOf(left, 'closed'))!.length, 50 * KIB)
  t.is(String(await contentOf(left, 'log')), 'one\n')
  t.is((await contentOf(left, 'big'))!.length, 9 * MIB)

  await tree.write(old.ino, old.handle, 9000, Buffer.from('next'), caller)
  await tree.makeDirectory(ROOT_INO, name('d'), 0o755, caller)
  await tree.sync(ROOT_INO, false, caller)
  const later = await crashed()
  t.not(await find(later.tree, 'd'), undefined)
  t.is(String((await contentOf(later, 'a'))!.subarray(8999, 9005)), 'onexto')
})

for (const [label, move] of Object.entries({
  exchange: async ({ tree }: OpenDrive) =>
    tree.rename(
      { parent: ROOT_INO, name: name('fresh') },
      { parent: ROOT_INO, name: name('file') },
      RENAME.EXCHANGE,
      caller,
    ),
  'unlink, then rename': async ({ tree }: OpenDrive) => {
    await tree.unlink(ROOT_INO, name('file'), caller)
    await tree.rename({ parent: ROOT_INO, name: name('fresh') }, { parent: ROOT_INO, name: name('file') }, 0, caller)
  },
  'unlink, then link': async ({ tree }: OpenDrive) => {
    await tree.unlink(ROOT_INO, name('file'), caller)
    await tree.link((await find(tree, 'fresh'))!.ino, ROOT_INO, name('file'), caller)
  },
})) {
  test(`R-74 a name never has less than the file's content: ${label}, while a commit runs`, async (t) => {
    const { drive, crashed } = await start(t)
    const { tree } = drive
    const random = seededRandom(3)
    await writeFile(tree, 'file', Buffer.from('old'))
    await tree.syncAll(caller)
    const content = Buffer.from(random.bytes(700 * KIB))
    for (const when of [0, 1, 3]) {
      const fresh = await createFile(tree, 'fresh')
      const other = await createFile(tree, `other ${String(when)}`)
      await tree.write(other.ino, other.handle, 0, Buffer.from('x'), caller)
      const syncing = Promise.resolve(tree.sync(other.ino, false, caller))
      for (let i = 0; i < when; i++) await new Promise((resolve) => setImmediate(resolve))
      await tree.write(fresh.ino, fresh.handle, 0, content, caller)
      tree.release(fresh.ino, fresh.handle)
      await move(drive)
      await syncing
      const found = await contentOf(await crashed(), 'file')
      t.true(found === undefined || String(found) === 'old' || found.equals(content), String(found?.length))
      const again = await find(tree, 'fresh')
      if (again !== undefined) await tree.unlink(ROOT_INO, name('fresh'), caller)
      await tree.unlink(ROOT_INO, name('file'), caller)
      await writeFile(tree, 'file', Buffer.from('old'))
      await tree.syncAll(caller)
    }
  })
}

test('S-002 after a crash the tree is as it was when the last sync returned, whatever file was changed and how', async (t) => {
  const random = seededRandom(seedOf((line) => t.log(line)))
  const below = (limit: number): number => Buffer.from(random.bytes(4)).readUInt32LE() % limit
  const { drive, crashed } = await start(t)
  const { tree } = drive
  const model = new Map<string, Buffer>()
  const inos = new Map<string, number>()
  const handles = new Map<string, number>()
  const step = async (): Promise<void> => {
    const label = `f${String(below(6))}`
    const before = model.get(label)
    const kind = below(10)
    if (before === undefined) {
      const { ino, handle } = await createFile(tree, label)
      model.set(label, Buffer.alloc(0))
      inos.set(label, ino)
      handles.set(label, handle)
    } else if (kind === 0) {
      await tree.unlink(ROOT_INO, name(label), caller)
      tree.release(inos.get(label)!, handles.get(label)!)
      model.delete(label)
    } else if (kind === 1) {
      const size = below(400 * KIB)
      await tree.setAttributes(inos.get(label)!, { size }, undefined, caller)
      model.set(label, Buffer.concat([before.subarray(0, size), Buffer.alloc(Math.max(0, size - before.length))]))
    } else if (kind === 2) {
      const ino = inos.get(label)!
      tree.release(ino, handles.get(label)!)
      handles.set(label, (await tree.open(ino, OPEN.READ_WRITE, caller)).handle)
    } else {
      const data = Buffer.alloc(1 + below(kind < 5 ? 300 * KIB : 6 * KIB), 65 + below(26))
      const offset = kind % 2 === 0 ? before.length : below(before.length + 1)
      await tree.write(inos.get(label)!, handles.get(label)!, offset, data, caller)
      const after = Buffer.alloc(Math.max(before.length, offset + data.length))
      before.copy(after)
      data.copy(after, offset)
      model.set(label, after)
    }
  }
  for (let round = 0; round < 8; round++) {
    for (let i = 0; i < 25; i++) await step()
    const [synced] = [...model.keys()]
    await tree.sync(synced === undefined ? ROOT_INO : inos.get(synced)!, false, caller)
    const left = await crashed()
    for (let i = 0; i < 6; i++) {
      const label = `f${String(i)}`
      const found = await contentOf(left, label)
      const expected = model.get(label)
      t.true(
        expected === undefined ? found === undefined : found?.equals(expected) === true,
        `round ${String(round)}: ${label}: ${String(found?.length)} of ${String(expected?.length)}`,
      )
    }
  }
})
