import test from 'ava'
import { seededRandom } from '../../base/index.js'
import { countsAndTables } from '../../../test/support/vfs/counts-and-tables.js'
import {
  caller,
  createFile,
  name,
  publishedCommit,
  scratchDrive,
  seedOf,
  writeFile,
  type OpenDrive,
} from '../../../test/support/vfs/drive.js'
import { OPEN, ROOT_INO } from '../tree.js'

const KIB = 1024
const FILES = 50
/** More than one page of rows, so that other work runs in between. */
const MANY = 2500

async function publish(drive: OpenDrive, during: () => Promise<void>): Promise<void> {
  const { sequence } = await drive.port.freeze()
  await drive.port.resume()
  const settling = drive.port.published(publishedCommit(drive, sequence))
  await during()
  await settling
  await drive.port.flush()
}

test('S-021 a file that is removed while its version is settled is subtracted once, and later edits are still counted', async (t) => {
  const scratch = scratchDrive()
  let drive = await scratch.open()
  for (let i = 0; i < MANY; i++) await drive.tree.makeNode(ROOT_INO, name(`file ${String(i)}`), 0o100644, 0, caller)
  await publish(drive, async () => {
    // Lets the first rows be deleted, then removes files whose rows come last.
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
    for (let i = MANY - 300; i < MANY; i++) await drive.tree.unlink(ROOT_INO, name(`file ${String(i)}`), caller)
  })
  let { counted, inTables } = await countsAndTables(drive)
  t.deepEqual(counted, inTables)
  await publish(drive, () => Promise.resolve())
  t.is((await drive.port.counts()).dirtyInodes, 0)
  await writeFile(drive.tree, 'edit', Buffer.alloc(10 * KIB))
  await drive.port.flush()
  t.is((await drive.port.counts()).dirtyInodes, 2, 'the file and its directory')
  await drive.shut()
  drive = await scratch.open()
  ;({ counted, inTables } = await countsAndTables(drive))
  t.deepEqual(counted, inTables, 'after opening again')
  await drive.shut()
  scratch.remove()
})

test('S-021 the counters always match the tables, whatever programs and publishing do', async (t) => {
  const random = seededRandom(seedOf((line) => t.log(line)))
  const below = (limit: number): number => Buffer.from(random.bytes(4)).readUInt32LE() % limit
  const scratch = scratchDrive()
  let drive = await scratch.open()
  const live = new Map<string, number>()
  let made = 0
  const step = async (): Promise<void> => {
    const { tree } = drive
    const names = [...live.keys()]
    const label = names[below(names.length + 1)] ?? `new ${String(made++)}`
    const ino = live.get(label)
    if (ino === undefined) {
      const fresh = await createFile(tree, label)
      await tree.write(fresh.ino, fresh.handle, below(3) * 5000, Buffer.alloc(below(200 * KIB) + 1, made), caller)
      tree.release(fresh.ino, fresh.handle)
      live.set(label, fresh.ino)
      return
    }
    const kind = below(5)
    if (kind === 0) {
      await tree.unlink(ROOT_INO, name(label), caller)
      tree.forget(ino, 1)
      live.delete(label)
    } else if (kind === 1) await tree.setAttributes(ino, { size: below(300 * KIB) }, undefined, caller)
    else if (kind === 2) await tree.setAttributes(ino, { mode: 0o600 + below(64) }, undefined, caller)
    else if (kind === 3) {
      const other = names[below(names.length)]!
      if (other === label) return
      await tree.rename({ parent: ROOT_INO, name: name(label) }, { parent: ROOT_INO, name: name(other) }, 0, caller)
      live.delete(label)
      live.set(other, ino)
    } else {
      const { handle } = await tree.open(ino, OPEN.READ_WRITE, caller)
      await tree.write(ino, handle, below(250 * KIB), Buffer.alloc(below(50 * KIB) + 1, 7), caller)
      tree.release(ino, handle)
    }
  }
  for (let round = 0; round < 12; round++) {
    for (let i = 0; i < 20; i++) await step()
    if (round % 3 === 2) {
      await drive.shut()
      drive = await scratch.open()
    }
    await publish(drive, async () => {
      for (let i = 0; i < 8; i++) {
        await step()
        if (i % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
    })
    const { counted, inTables } = await countsAndTables(drive)
    t.deepEqual(counted, inTables, `round ${String(round)}`)
  }
  await publish(drive, () => Promise.resolve())
  const { staged, dirtyInodes } = await drive.port.counts()
  t.deepEqual([staged.files, staged.bytes, dirtyInodes], [0, 0, 0])
  await drive.shut()
  scratch.remove()
})

test('S-021 R-12 recently closed files count as held until a commit has them, never as published', async (t) => {
  const scratch = scratchDrive()
  let drive = await scratch.open()
  const inos: number[] = []
  const writeAll = async (body: string): Promise<void> => {
    for (const ino of inos) {
      const { handle } = await drive.tree.open(ino, OPEN.READ_WRITE, caller)
      await drive.tree.write(ino, handle, 0, Buffer.from(body), caller)
      drive.tree.release(ino, handle)
    }
  }
  // Work in flight may commit some of them meanwhile.
  const check = async (unpublished: number, bytes: number): Promise<void> => {
    const { held, staged, total, dirtyInodes } = await drive.port.counts()
    t.is(held.files + staged.files, unpublished)
    t.is(held.bytes + staged.bytes, bytes)
    t.deepEqual(total, { files: FILES, bytes: 5 * FILES })
    t.true(dirtyInodes >= unpublished)
  }
  for (let i = 0; i < FILES; i++) inos.push(await writeFile(drive.tree, `file ${String(i)}`, Buffer.from('first')))
  await check(FILES, 5 * FILES)
  await publish(drive, () => Promise.resolve())
  await check(0, 0)
  await drive.shut()
  drive = await scratch.open()
  await writeAll('other')
  await check(FILES, 5 * FILES)
  await drive.port.flush()
  t.deepEqual((await drive.port.counts()).held, { files: 0, bytes: 0 })
  await check(FILES, 5 * FILES)
  // Changed again: the rows of the last commit already count each of them once.
  await writeAll('third')
  await check(FILES, 5 * FILES)
  t.is((await drive.port.counts()).dirtyInodes, FILES)
  await drive.shut()
  scratch.remove()
})
