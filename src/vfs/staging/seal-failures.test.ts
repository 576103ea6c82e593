import test, { type ExecutionContext } from 'ava'
import { DriveError, hex, seededRandom, silentLog, type Log } from '../../base/index.js'
import { decodeRemoved } from '../../tree-state/index.js'
import {
  caller,
  chunkDigests,
  codeOf,
  createFile,
  find,
  name,
  readInode,
  scratchDrive,
  type OpenDrive,
} from '../../../test/support/vfs/drive.js'
import { ROOT_INO } from '../tree.js'
import { until } from '../../../test/support/until.js'

const KIB = 1024
const MIB = 1024 * KIB
const random = seededRandom(77)

/** The error code of the action, or `hangs`: no call here may wait forever. */
async function outcome(action: () => unknown): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  const hangs = new Promise<string>((resolve) => (timer = setTimeout(() => resolve('hangs'), 150_000)))
  return Promise.race([codeOf(action), hangs]).finally(() => clearTimeout(timer))
}

async function start(
  t: ExecutionContext,
): Promise<{ drive: OpenDrive; errors: string[]; reopen: () => Promise<OpenDrive> }> {
  const scratch = scratchDrive()
  const errors: string[] = []
  const log: Log = { ...silentLog, error: (_, fields) => errors.push(String(fields?.['error'])) }
  let drive = await scratch.open({ log, heldLimitBytes: 16 * MIB })
  t.teardown(async () => {
    await drive.abandon()
    scratch.remove()
  })
  return {
    drive,
    errors,
    async reopen() {
      await drive.shut()
      return (drive = await scratch.open())
    },
  }
}

const digestsOf = (drive: OpenDrive): string[] => chunkDigests(drive).map(hex)

for (const step of ['index', 'reference'] as const) {
  test(`R-12 sealed bytes that cannot be stored (${step}): EIO for fsync and close, never a hang, and nothing is lost`, async (t) => {
    const { drive, errors, reopen } = await start(t)
    const { tree, blocks } = drive
    const plain = Buffer.from(random.bytes(3 * MIB))
    const { ino, handle } = await createFile(tree, 'file')
    await tree.write(ino, handle, 0, plain, caller)
    await tree.sync(ino, false, caller)
    const replaced = digestsOf(drive)
    const middle = random.bytes(900 * KIB)
    plain.set(middle, 512 * KIB)
    const failing = (): never => {
      throw new TypeError('a row is damaged')
    }
    Object.assign(blocks, { [step]: failing })
    await tree.write(ino, handle, 512 * KIB, middle, caller)
    t.is(await outcome(() => tree.sync(ino, false, caller)), 'INTERNAL')
    t.is(await outcome(() => tree.flush(ino, handle, caller)), 'INTERNAL')
    t.is(await outcome(() => drive.port.freeze()), 'INTERNAL')
    t.true(errors.includes('a row is damaged'))
    t.true((await readInode(tree, ino)).equals(plain), 'bytes in memory stay there')
    Reflect.deleteProperty(blocks, step) // restores the method of the class
    t.is(await outcome(() => tree.sync(ino, false, caller)), 'ok')
    t.is(await outcome(() => tree.flush(ino, handle, caller)), 'ok')
    t.is(await outcome(() => drive.port.freeze()), 'ok')
    await drive.port.resume()
    const removed = [...drive.meta.table('removed', { sealed: true }).range()]
      .map(([, value]) => decodeRemoved(value))
      .flatMap((row) => (row.kind === 'block' ? [Buffer.from(row.digest).toString('hex')] : []))
    for (const digest of new Set(removed)) {
      const uses = replaced.filter((each) => each === digest).length
      t.true(removed.filter((each) => each === digest).length <= uses, 'a row is subtracted once')
    }
    tree.release(ino, handle)
    const again = await reopen()
    t.true((await readInode(again.tree, ino)).equals(plain))
  })
}

test('a file with bytes that could not be sealed frees its memory when it is removed or truncated', async (t) => {
  const { drive } = await start(t)
  const { tree, pipeline } = drive
  const works = pipeline.seal.bind(pipeline)
  const full = (): Promise<never> => Promise.reject(new DriveError('NO_SPACE', 'The disk is full.'))
  pipeline.seal = full
  const cut = await createFile(tree, 'cut')
  await tree.write(cut.ino, cut.handle, 0, random.bytes(4 * MIB), caller)
  const removed = await createFile(tree, 'removed')
  await tree.write(removed.ino, removed.handle, 0, random.bytes(4 * MIB), caller)
  for (const { ino } of [cut, removed]) t.is(await outcome(() => tree.sync(ino, false, caller)), 'NO_SPACE')
  tree.release(removed.ino, removed.handle)
  await tree.unlink(ROOT_INO, name('removed'), caller)
  await tree.setAttributes(cut.ino, { size: 0 }, cut.handle, caller)
  t.is(await outcome(() => tree.sync(cut.ino, false, caller)), 'ok', 'there is nothing left to seal')
  t.is(await outcome(() => tree.flush(cut.ino, cut.handle, caller)), 'ok')
  tree.release(cut.ino, cut.handle)
  t.is((await drive.port.counts()).held.bytes, 0)
  pipeline.seal = works
  // As many streams at once as there are shared buffers.
  const files = await Promise.all(Array.from({ length: 3 }, (_, i) => createFile(tree, `f${String(i)}`)))
  const streams = files.map(({ ino, handle }) =>
    outcome(() => tree.write(ino, handle, 0, random.bytes(3 * MIB), caller)),
  )
  t.deepEqual(await Promise.all(streams), ['ok', 'ok', 'ok'])
})

test('sealed bytes after bytes that could not be sealed become removed blocks when their file is deleted', async (t) => {
  const { drive } = await start(t)
  const { tree, pipeline } = drive
  const works = pipeline.seal.bind(pipeline)
  let isFirst = true
  pipeline.seal = (...given) => {
    if (!isFirst) return works(...given)
    isFirst = false
    return Promise.reject(new DriveError('NO_SPACE', 'The disk is full.'))
  }
  const { ino, handle } = await createFile(tree, 'file')
  await tree.write(ino, handle, 0, random.bytes(8 * MIB), caller)
  await until(() => drive.blocks.usage.usedBytes >= 4 * MIB, 10)
  const { usedBytes } = drive.blocks.usage
  t.true(usedBytes >= 4 * MIB)
  tree.release(ino, handle)
  await tree.unlink(ROOT_INO, name('file'), caller)
  t.is(await find(tree, 'file'), undefined)
  const removedBytes = (): number =>
    [...drive.meta.table('removed', { sealed: true }).range()]
      .map(([, value]) => decodeRemoved(value))
      .reduce((sum, row) => sum + (row.kind === 'block' ? (drive.blocks.locate(row.digest)?.length ?? 0) : 0), 0)
  // The background task may be about to seal the first part again.
  await until(() => removedBytes() > 0, 10)
  t.is(removedBytes(), drive.blocks.usage.usedBytes, 'each block that is left is known to be garbage')
})
