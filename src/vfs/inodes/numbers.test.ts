import test from 'ava'
import { caller, createFile, name, scratchDrive } from '../../../test/support/vfs/drive.js'
import { ROOT_INO } from '../tree.js'

test('S-002 no inode number is reused, also after a kill that lost its inode', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  await drive.port.flush()
  const copy = scratch.crashCopy()
  const given = new Set<number>()
  for (let i = 0; i < 20; i++) given.add((await createFile(drive.tree, `file ${String(i)}`)).ino)
  for (let kills = 0; kills < 3; kills++) {
    const after = await copy.open()
    const { ino } = await createFile(after.tree, `after ${String(kills)}`)
    t.false(given.has(ino), `${String(ino)} after ${String(kills)} clean ends`)
    given.add(ino)
    await after.shut()
  }
  await drive.shut()
  copy.remove()
  scratch.remove()
})

test('S-001 after a clean end inode numbers continue without a gap', async (t) => {
  const scratch = scratchDrive()
  let drive = await scratch.open()
  const { ino } = await createFile(drive.tree, 'first')
  await drive.shut()
  drive = await scratch.open()
  t.is((await createFile(drive.tree, 'second')).ino, ino + 1)
  await drive.shut()
  scratch.remove()
})

test('S-050 numbers assigned after a replay of operations are new, whatever numbers the replay used', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  const redo = drive.tree.redo!
  const before = (await createFile(drive.tree, 'before')).ino
  const low = before + 10
  redo.begin({ ino: low, handle: 0, sec: 1, nsec: 0 })
  t.is((await createFile(drive.tree, 'again')).ino, low)
  redo.end({ ino: low, handle: 0 })
  t.is((await createFile(drive.tree, 'new')).ino, low + 1)
  const copy = scratch.crashCopy()
  const after = await copy.open()
  const reserved = (await createFile(after.tree, 'probe')).ino
  after.tree.redo!.begin({ ino: low + 2, handle: 0, sec: 1, nsec: 0 })
  t.is((await createFile(after.tree, 'again too')).ino, low + 2)
  await after.port.flush()
  after.tree.redo!.end({ ino: low + 2, handle: 0 })
  t.is((await createFile(after.tree, 'new too')).ino, reserved + 1, 'not among those reserved before')
  await after.shut()
  await drive.shut()
  copy.remove()
  scratch.remove()
})

test('S-098 however many files are made between two commits, a kill takes no number back', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  const { tree } = drive
  const one = name('one')
  let [highest, waited] = [0, 0]
  for (let i = 0; i < 150_000; i++) {
    // Without a turn of the event loop in between there is no commit, and a file that is removed leaves none to make.
    const made = tree.makeNode(ROOT_INO, one, 0o100644, 0, caller)
    if (made instanceof Promise) waited++
    highest = (made instanceof Promise ? await made : made).ino
    void tree.unlink(ROOT_INO, one, caller)
  }
  const copy = scratch.crashCopy()
  t.true(waited >= 1 && waited < 10, `${waited} waits`)
  const after = await copy.open()
  t.true((await createFile(after.tree, 'after')).ino > highest)
  await after.shut()
  await drive.shut()
  copy.remove()
  scratch.remove()
})
