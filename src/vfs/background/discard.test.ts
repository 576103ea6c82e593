import test from 'ava'
import { DriveError, seededRandom } from '../../base/index.js'
import {
  caller,
  chunkDigests,
  codeOf,
  createFile,
  find,
  name,
  publishedCommit,
  readInode,
  scratchDrive,
  writeFile,
  type OpenDrive,
} from '../../../test/support/vfs/drive.js'
import { ROOT_INO } from '../tree.js'
import { until } from '../../../test/support/until.js'

const KIB = 1024
const MIB = 1024 * KIB
const random = seededRandom(91)
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function frozen(drive: OpenDrive): Promise<number> {
  const { sequence } = await drive.port.freeze()
  await drive.port.resume()
  return sequence
}

const full = (): Promise<never> => Promise.reject(new DriveError('NO_SPACE', 'The disk is full.'))

test('S-002 blocks of a removed file stay until the removal is durable: a crash brings the whole file back', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  const { meta, tree, port, blocks } = drive
  const [own, shared] = [Buffer.from(random.bytes(300 * KIB)), Buffer.from(random.bytes(300 * KIB))]
  for (const [file, plain] of Object.entries({ alone: own, one: shared, two: shared }))
    await writeFile(tree, file, plain)
  await port.flush()
  for (const file of ['alone', 'one']) await tree.unlink(ROOT_INO, name(file), caller)
  Object.assign(meta, { commit: full })
  t.is(await codeOf(() => port.discardUnpublished()), 'NO_SPACE')
  const first = scratch.crashCopy()
  // The other one is deleted when the commit has taken its rows.
  const commit = (Object.getPrototypeOf(meta) as typeof meta).commit.bind(meta)
  const once = async (): Promise<void> => {
    Object.assign(meta, { commit: full })
    await commit()
    await tree.unlink(ROOT_INO, name('two'), caller)
  }
  Object.assign(meta, { commit: once })
  await codeOf(() => port.discardUnpublished())
  const second = scratch.crashCopy()
  Reflect.deleteProperty(meta, 'commit')
  await port.discardUnpublished()
  t.is(blocks.usage.blocks, 0)
  await drive.shut()
  for (const [crashed, file, plain] of [
    [first, 'alone', own],
    [second, 'two', shared],
  ] as const) {
    const copy = await crashed.open()
    const { ino } = (await find(copy.tree, file))!
    t.deepEqual(await readInode(copy.tree, ino), plain, file)
    await copy.shut()
    crashed.remove()
  }
  scratch.remove()
})

test('S-004 a block that a pending piece of a file needs stays when a version without it is published', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  const { tree, port, pipeline } = drive
  const [start, end] = [Buffer.from(random.bytes(4 * MIB)), Buffer.from(random.bytes(4 * MIB))]
  await writeFile(tree, 'old', end)
  await port.flush()
  const digests = chunkDigests(drive)
  await tree.unlink(ROOT_INO, name('old'), caller)
  const sequence = await frozen(drive)
  const works = pipeline.seal.bind(pipeline)
  let jobs = 0
  pipeline.seal = (...given) => (jobs++ === 0 ? full() : works(...given))
  const { ino, handle } = await createFile(tree, 'new')
  await tree.write(ino, handle, 0, start, caller)
  await tree.write(ino, handle, 4 * MIB, end, caller)
  await until(() => jobs >= 2 && pipeline.load === 0, 10)
  t.true(jobs >= 2)
  await sleep(50)
  await port.published(publishedCommit(drive, sequence, digests))
  await tree.sync(ino, false, caller)
  t.true((await readInode(tree, ino)).equals(Buffer.concat([start, end])))
  tree.release(ino, handle)
  await drive.shut()
  scratch.remove()
})

test('S-002 a block that a file references again while an older version is settled after a restart stays', async (t) => {
  const scratch = scratchDrive()
  let drive = await scratch.open()
  const plain = Buffer.from(random.bytes(20 * KIB))
  await writeFile(drive.tree, 'old', plain)
  await drive.port.flush()
  const digests = chunkDigests(drive)
  // More rows than one turn scans.
  for (let i = 0; i < 2100; i++) await writeFile(drive.tree, `file ${String(i)}`, random.bytes(3 * KIB))
  await drive.tree.unlink(ROOT_INO, name('old'), caller)
  const sequence = await frozen(drive)
  await drive.shut()
  drive = await scratch.open()
  const { tree, port, pipeline, meta } = drive
  // Sealed before the scan, found in the store, and applied during the scan.
  const sealed = pipeline.seal({
    data: plain,
    items: [{ offset: 0, length: plain.length, mode: 'content-defined', final: true }],
  })
  await sealed
  pipeline.seal = () => sealed
  const chunks = meta.table('chunks', { sealed: true })
  const range = chunks.range.bind(chunks)
  let writing: Promise<number> | undefined
  chunks.range = (...given) => {
    writing ??= writeFile(tree, 'again', plain)
    void writing.then((ino) => tree.sync(ino, false, caller))
    return range(...given)
  }
  await port.published(publishedCommit(drive, sequence, digests))
  await port.flush()
  const ino = await writing!
  t.deepEqual(await readInode(tree, ino), plain)
  t.true(digests.every((digest) => drive.blocks.has(digest)))
  await drive.shut()
  scratch.remove()
})
