import test from 'ava'
import { MIB } from '../../base/index.js'
import {
  caller,
  codeOf,
  createFile,
  find,
  name,
  scratchDrive,
  writeFile,
  type OpenDrive,
} from '../../../test/support/vfs/drive.js'
import { ROOT_INO } from '../tree.js'

/** Publishes all current changes. */
async function publish({ port }: OpenDrive): Promise<void> {
  const { sequence } = await port.freeze()
  await port.resume()
  await port.published({ sequence, removedBefore: 0, refs: [], merged: [], confirmed: [], discarded: [] })
}

test('S-090 sync is told once of unpublished changes, and again only after it was told that there are none', async (t) => {
  let told = 0
  const scratch = scratchDrive()
  const drive = await scratch.open({ tellSync: () => told++ })
  t.teardown(() => scratch.remove())
  await publish(drive)
  t.is((await drive.port.counts()).dirtyInodes, 0)
  told = 0
  const ino = await writeFile(drive.tree, 'file', Buffer.alloc(MIB))
  t.is(told, 1)
  for (let i = 0; i < 100; i++) await writeFile(drive.tree, `file ${i}`, Buffer.from('x'))
  t.true((await drive.port.counts()).dirtyInodes > 0)
  await drive.tree.setAttributes(ino, { mode: 0o600 }, undefined, caller)
  t.is(told, 1, 'known changes cause no second signal')
  await publish(drive)
  await drive.tree.setAttributes(ino, { mode: 0o640 }, undefined, caller)
  t.is(told, 1, 'sync has not asked since')
  await publish(drive)
  t.is((await drive.port.counts()).dirtyInodes, 0)
  await drive.tree.setAttributes(ino, { mode: 0o600 }, undefined, caller)
  t.is(told, 2)
  await drive.shut()
})

test('S-090 changes of an unlinked file send no signal', async (t) => {
  let told = 0
  const scratch = scratchDrive()
  const drive = await scratch.open({ tellSync: () => told++ })
  t.teardown(() => scratch.remove())
  const { ino, handle } = await createFile(drive.tree, 'temporary')
  await drive.tree.unlink(ROOT_INO, name('temporary'), caller)
  await publish(drive)
  t.is((await drive.port.counts()).dirtyInodes, 0)
  told = 0
  for (let i = 0; i < 20; i++) {
    await drive.tree.write(ino, handle, i * 4096, Buffer.alloc(4096, i), caller)
    await drive.port.counts()
  }
  t.is(told, 0)
  drive.tree.release(ino, handle)
  await drive.shut()
})

test('S-090 a write without space sends a signal, also when sync knows of changes', async (t) => {
  let told = 0
  let availableBytes = 2 ** 40
  const scratch = scratchDrive()
  const drive = await scratch.open({
    tellSync: () => told++,
    disk: { space: () => ({ totalBytes: 2 ** 42, availableBytes }) },
  })
  t.teardown(() => scratch.remove())
  await writeFile(drive.tree, 'file', Buffer.from('x'))
  t.true((await drive.port.counts()).dirtyInodes > 0)
  told = 0
  availableBytes = 1024
  const { ino } = (await find(drive.tree, 'file'))!
  for (let i = 0; i < 3; i++) {
    t.is(await codeOf(() => writeFile(drive.tree, `other ${i}`, Buffer.alloc(MIB))), 'NO_SPACE')
    t.true((await drive.port.counts()).isShortOfSpace)
  }
  t.is(told, 1)
  availableBytes = 2 ** 40
  t.false((await drive.port.counts()).isShortOfSpace)
  availableBytes = 1024
  t.is(await codeOf(() => writeFile(drive.tree, 'again', Buffer.alloc(MIB))), 'NO_SPACE')
  t.is(told, 2)
  t.true(ino > 0)
  availableBytes = 2 ** 40
  await drive.shut()
})
