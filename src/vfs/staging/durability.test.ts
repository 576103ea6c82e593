import test from 'ava'
import { seededRandom, systemClock } from '../../base/index.js'
import {
  caller,
  createFile,
  find,
  list,
  name,
  readInode,
  scratchDrive,
  seedOf,
  writeFile,
} from '../../../test/support/vfs/drive.js'
import { makeRiskMemory, readRisk } from '../../tree-state/index.js'
import { ROOT_INO } from '../tree.js'
import { stretch } from '../../../test/support/vfs/stretch.js'

const KIB = 1024

test('a crash at any moment leaves a tree whose files are prefixes of what was written (R-74)', async (t) => {
  const seed = seedOf(t.log)
  const random = seededRandom(seed)
  const scratch = scratchDrive()
  const drive = await scratch.open()
  const open: { ino: number; handle: number; size: number; synced: number; text: string }[] = []
  let found = 0
  for (let step = 0; step < 400; step++) {
    const draw = random.next(100)
    if (draw < 20 || open.length === 0) {
      const text = `f${String(step)}`
      open.push({ ...(await createFile(drive.tree, text)), size: 0, synced: -1, text })
    } else if (draw < 70) {
      const file = open[random.next(open.length)]!
      const length = 1 + random.next([500, 9000, 200 * KIB][random.next(3)]!)
      await drive.tree.write(file.ino, file.handle, file.size, stretch(file.size, length), caller)
      file.size += length
    } else if (draw < 80) {
      const file = open[random.next(open.length)]!
      await drive.tree.sync(file.ino, false, caller)
      file.synced = file.size
    } else if (draw < 88) {
      const [file] = open.splice(random.next(open.length), 1)
      drive.tree.release(file!.ino, file!.handle)
    } else if (draw < 91) await new Promise((resolve) => setTimeout(resolve, 40))
    if (step % 25 !== 24) continue
    const copy = scratch.crashCopy()
    const after = await copy.open()
    for (const entry of await list(after.tree, ROOT_INO, true)) {
      const bytes = await readInode(after.tree, entry.ino)
      t.is(bytes.length, entry.attributes!.size)
      t.is(Buffer.compare(bytes, stretch(0, bytes.length)), 0, `${entry.name} holds other bytes than were written`)
      found++
    }
    for (const { text, synced } of open) {
      if (synced < 0) continue
      const kept = await find(after.tree, text)
      t.true(kept !== undefined && kept.size >= synced, `${text} lost what fsync acknowledged`)
    }
    await after.shut()
    copy.remove()
  }
  t.true(found > 50, 'crashes found nothing staged')
  await drive.abandon()
  scratch.remove()
})

test('a file that is rewritten and renamed over another is the old or the new one after a crash, never a mix (R-74)', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  await writeFile(drive.tree, 'config', stretch(0, 5000))
  await drive.port.flush()
  const sizes = new Set<number>()
  for (let round = 1; round <= 12; round++) {
    await writeFile(drive.tree, 'config.new', stretch(0, round * 30_000))
    await drive.tree.rename(
      { parent: ROOT_INO, name: name('config.new') },
      { parent: ROOT_INO, name: name('config') },
      0,
      caller,
    )
    const other = await createFile(drive.tree, `other${String(round)}`)
    if (round % 3 === 0) await drive.tree.sync(other.ino, false, caller)
    drive.tree.release(other.ino, other.handle)
    const copy = scratch.crashCopy()
    const after = await copy.open()
    const bytes = await readInode(after.tree, (await find(after.tree, 'config'))!.ino)
    t.true(bytes.length === 5000 || bytes.length % 30_000 === 0, `${String(bytes.length)} bytes`)
    t.true(bytes.length > 0 && bytes.equals(stretch(0, bytes.length)))
    sizes.add(bytes.length)
    await after.shut()
    copy.remove()
  }
  t.log([...sizes].join(' '))
  t.true(sizes.size > 2)
  await drive.shut()
  scratch.remove()
})

test('bytes that are only in memory are written to disk within seconds, without a request (R-12)', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  const { ino, handle } = await createFile(drive.tree, 'log')
  await drive.tree.write(ino, handle, 0, stretch(0, 20_000), caller)
  await writeFile(drive.tree, 'closed', stretch(0, 50_000))
  const end = systemClock.monotonicMs() + 150_000
  for (;;) {
    const { held, staged } = await drive.port.counts()
    if (held.bytes === 0 && staged.bytes === 70_000) break
    t.true(systemClock.monotonicMs() < end, 'still held')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  while (drive.meta.pendingCount > 0) await new Promise((resolve) => setTimeout(resolve, 50))
  const copy = scratch.crashCopy()
  const after = await copy.open()
  t.is((await find(after.tree, 'log'))!.size, 20_000)
  t.is((await find(after.tree, 'closed'))!.size, 50_000)
  await after.shut()
  copy.remove()
  await drive.abandon()
  scratch.remove()
})

test('writers wait when memory is full, and all their bytes arrive', async (t) => {
  const scratch = scratchDrive()
  const riskMemory = makeRiskMemory()
  const drive = await scratch.open({ heldLimitBytes: 8 * 1024 * KIB, riskMemory })
  const files = await Promise.all(Array.from({ length: 12 }, (_, i) => createFile(drive.tree, `f${String(i)}`)))
  let most = 0
  for (let at = 0; at < 3 * 1024 * KIB; at += 256 * KIB) {
    await Promise.all(
      files.map(async ({ ino, handle }) => drive.tree.write(ino, handle, at, stretch(at, 256 * KIB), caller)),
    )
    most = Math.max(most, readRisk(riskMemory).bytes)
  }
  t.true(most <= 8 * 1024 * KIB, `${String(most)} bytes were held`)
  for (const { ino, handle } of files) {
    t.true((await readInode(drive.tree, ino)).equals(stretch(0, 3 * 1024 * KIB)))
    drive.tree.release(ino, handle)
  }
  await drive.shut()
  scratch.remove()
})

test('a commit that is under way while a file is renamed over another has all of the new file (R-74)', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  await writeFile(drive.tree, 'config', stretch(0, 5000))
  await drive.port.flush()
  for (const size of [100, 3000, 70_000, 1_500_000]) {
    await writeFile(drive.tree, `blocks ${String(size)}`, stretch(size, 300_000))
    const syncing = drive.tree.syncAll(caller)
    for (let turn = 0; turn < 3; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
      await writeFile(drive.tree, 'config.new', stretch(0, size + turn))
      await drive.tree.rename(
        { parent: ROOT_INO, name: name('config.new') },
        { parent: ROOT_INO, name: name('config') },
        0,
        caller,
      )
      const copy = scratch.crashCopy()
      const after = await copy.open()
      const bytes = await readInode(after.tree, (await find(after.tree, 'config'))!.ino)
      t.true(bytes.length > 0 && bytes.equals(stretch(0, bytes.length)), `${String(bytes.length)} bytes`)
      await after.shut()
      copy.remove()
    }
    await syncing
    const copy = scratch.crashCopy()
    const after = await copy.open()
    const bytes = await readInode(after.tree, (await find(after.tree, 'config'))!.ino)
    t.true(
      bytes.length >= 100 && bytes.equals(stretch(0, bytes.length)),
      `${String(bytes.length)} bytes, ${String(size)} written`,
    )
    await after.shut()
    copy.remove()
  }
  await drive.shut()
  const again = await scratch.open()
  const bytes = await readInode(again.tree, (await find(again.tree, 'config'))!.ino)
  t.true(bytes.equals(stretch(0, 1_500_002)))
  await again.shut()
  scratch.remove()
})
