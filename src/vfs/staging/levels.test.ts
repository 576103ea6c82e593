/** The levels that `counts` reports at every moment: a change is never counted as published before it is. */
import test from 'ava'
import { seededRandom } from '../../base/index.js'
import type { DriveCounts } from '../../tree-state/index.js'
import {
  caller,
  createFile,
  name,
  publishedCommit,
  scratchDrive,
  seedOf,
  writeFile,
} from '../../../test/support/vfs/drive.js'
import { OPEN, ROOT_INO } from '../tree.js'

const KIB = 1024

const publishedFiles = ({ total, held, staged }: DriveCounts): number => total.files - held.files - staged.files

test('S-165 a changed file is counted once and as unpublished, from its first write to its publication', async (t) => {
  const random = seededRandom(seedOf((line) => t.log(line)))
  const below = (limit: number): number => Buffer.from(random.bytes(4)).readUInt32LE() % limit
  const scratch = scratchDrive()
  const drive = await scratch.open()
  const { tree, port } = drive
  const files = new Map<string, { ino: number; handle: number }>()
  /** Changed since the last version, and since the freeze of the version being published. */
  const unpublished = new Set<string>()
  const since = new Set<string>()
  let frozen: number | undefined
  let stored = 0
  for (let step = 0; step < 400; step++) {
    const label = `file ${String(below(12))}`
    const file = files.get(label)
    const kind = below(8)
    if (file === undefined) files.set(label, await createFile(tree, label))
    else if (kind < 4) {
      const at = below(2) * 4 * KIB
      await tree.write(file.ino, file.handle, at, Buffer.alloc(1 + below(40 * KIB), step), caller)
    } else if (kind === 4) {
      tree.release(file.ino, file.handle)
      file.handle = (await tree.open(file.ino, OPEN.READ_WRITE, caller)).handle
      await tree.setAttributes(file.ino, { mode: 0o600 + below(64) }, undefined, caller)
    } else if (kind === 5) await port.flush()
    else if (frozen === undefined) {
      frozen = (await port.freeze()).sequence
      since.clear()
      await port.resume()
    } else {
      await drive.port.published(publishedCommit(drive, frozen))
      for (const one of [...unpublished]) if (!since.has(one)) unpublished.delete(one)
      frozen = undefined
    }
    if (kind < 5 || file === undefined) for (const set of [unpublished, since]) set.add(label)
    const counts = await port.counts()
    t.is(publishedFiles(counts), files.size - unpublished.size, `step ${String(step)}, ${String(kind)}`)
    t.is(counts.dirtyInodes > 0, unpublished.size > 0)
    const ready = frozen === undefined ? 0 : [...unpublished].filter((one) => !since.has(one)).length
    if (frozen !== undefined) t.is(counts.frozen.files, ready, `frozen at step ${String(step)}`)
    else t.is(counts.frozen.files, 0)
    const { held, staged, total } = counts
    t.true(held.bytes + staged.bytes <= total.bytes, 'no byte counts twice')
    stored = Math.max(stored, ready)
  }
  t.true(stored > 0)
  for (const { ino, handle } of files.values()) tree.release(ino, handle)
  await drive.shut()
  scratch.remove()
})

test('S-165 a file counts as unpublished right after its write, and while its version waits for the node', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  await writeFile(drive.tree, 'first', Buffer.alloc(10 * KIB, 1))
  t.deepEqual((await drive.port.counts()).held, { files: 1, bytes: 10 * KIB })
  const { sequence } = await drive.port.freeze()
  await drive.port.resume()
  await writeFile(drive.tree, 'second', Buffer.alloc(10 * KIB, 2))
  await drive.port.flush()
  const { staged, frozen } = await drive.port.counts()
  t.deepEqual([staged.files, frozen], [2, { sequence, files: 1, bytes: 10 * KIB }])
  await drive.port.published(publishedCommit(drive, sequence))
  const after = await drive.port.counts()
  t.deepEqual([after.staged.files, after.frozen.files, publishedFiles(after)], [1, 0, 1])
  await drive.tree.unlink(ROOT_INO, name('first'), caller)
  t.is(publishedFiles(await drive.port.counts()), 0)
  await drive.shut()
  scratch.remove()
})

test('counts follow a file from memory to the disk', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  const { ino, handle } = await createFile(drive.tree, 'file')
  await drive.tree.write(ino, handle, 0, Buffer.alloc(10_000, 1), caller)
  const held = await drive.port.counts()
  t.deepEqual([held.held, held.staged.bytes, held.total], [{ files: 1, bytes: 10_000 }, 0, { files: 1, bytes: 10_000 }])
  await drive.tree.sync(ino, false, caller)
  const staged = await drive.port.counts()
  t.deepEqual([staged.held.bytes, staged.staged], [0, { files: 1, bytes: 10_000 }])
  await drive.tree.unlink(ROOT_INO, name('file'), caller)
  drive.tree.release(ino, handle)
  const after = await drive.port.counts()
  t.deepEqual(
    [after.staged, after.total],
    [
      { files: 0, bytes: 0 },
      { files: 0, bytes: 0 },
    ],
  )
  await drive.shut()
  scratch.remove()
})

test('S-165 bytes that are written again while a closed file is being sealed count once', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  const { tree, port } = drive
  const { ino, handle } = await createFile(tree, 'again')
  await tree.write(ino, handle, 0, Buffer.alloc(40 * KIB, 1), caller)
  tree.release(ino, handle)
  const again = (await tree.open(ino, OPEN.READ_WRITE, caller)).handle
  await tree.write(ino, again, 4 * KIB, Buffer.alloc(16 * KIB, 2), caller)
  const { held, staged } = await port.counts()
  t.deepEqual([held, staged.bytes], [{ files: 1, bytes: 40 * KIB }, 0])
  tree.release(ino, again)
  await drive.shut()
  scratch.remove()
})
