import test from 'ava'
import { caller, find, name, scratchDrive } from '../../../test/support/vfs/drive.js'
import { ROOT_INO } from '../tree.js'

const FILES = 9_000

test('S-064 `dirty` rows of many published files are cleared in commits of a few thousand rows', async (t) => {
  const scratch = scratchDrive()
  const drive = await scratch.open()
  for (let i = 0; i < FILES; i++) {
    await drive.tree.makeSymlink(ROOT_INO, name(`link-${i}`), Buffer.from('elsewhere'), caller)
    if (i % 2 === 0) continue
    await drive.tree.unlink(ROOT_INO, name(`link-${i}`), caller)
  }
  const { sequence } = await drive.port.freeze()
  await drive.port.resume()
  t.true((await drive.port.counts()).dirtyInodes > FILES / 2)
  let most = 0
  const commit = drive.meta.commit.bind(drive.meta)
  drive.meta.commit = () => {
    most = Math.max(most, drive.meta.pendingCount)
    return commit()
  }
  const nothing = { refs: [], merged: [], confirmed: [], discarded: [] }
  await drive.port.published({ sequence, removedBefore: 0, ...nothing })
  t.true(most > 0 && most < FILES / 3, `${most} rows waited for one commit`)
  t.is((await drive.port.counts()).dirtyInodes, 0)
  t.not(await find(drive.tree, 'link-0'), undefined)
  await drive.shut()
  scratch.remove()
})
