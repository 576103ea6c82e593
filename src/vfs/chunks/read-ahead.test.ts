import test from 'ava'
import { seededRandom, sleep } from '../../base/index.js'
import { caller, readHandle, scratchDrive, writeFile } from '../../../test/support/vfs/drive.js'
import { OPEN } from '../tree.js'

const MIB = 1024 * 1024

test('S-005 many sequential readers at once have a bounded number of blocks in flight', async (t) => {
  const random = seededRandom(17)
  const scratch = scratchDrive()
  let drive = await scratch.open()
  const files: { ino: number; plain: Buffer }[] = []
  for (let i = 0; i < 6; i++) {
    const plain = Buffer.from(random.bytes(9 * MIB))
    files.push({ plain, ino: await writeFile(drive.tree, `file ${String(i)}`, plain) })
  }
  await drive.port.flush()
  await drive.shut()
  drive = await scratch.open()
  const { blocks, tree } = drive
  const read = blocks.read.bind(blocks)
  let [now, most] = [0, 0]
  blocks.read = async (...given) => {
    most = Math.max(most, ++now)
    await sleep(20)
    return read(...given).finally(() => now--)
  }
  const step = MIB / 8
  await Promise.all(
    files.map(async ({ ino, plain }) => {
      const { handle } = await tree.open(ino, OPEN.READ_ONLY, caller)
      for (let at = 0; at < plain.length; at += step) {
        const bytes = await readHandle(tree, ino, handle, at, step)
        if (!bytes.equals(plain.subarray(at, at + step))) t.fail(`byte ${String(at)} and on`)
      }
      tree.release(ino, handle)
    }),
  )
  t.log(`${String(most)} blocks at once`)
  t.true(most > 6 && most <= 32 + 2 * files.length)
  // In random order, so that blocks are dropped while others wait for them.
  const readAtRandom = async (): Promise<void> => {
    for (let i = 0; i < 25; i++) {
      const { ino, plain } = files[random.next(files.length)]!
      const { handle } = await tree.open(ino, OPEN.READ_ONLY, caller)
      const at = random.next(plain.length)
      const bytes = await readHandle(tree, ino, handle, at, 2 * step)
      if (!bytes.equals(plain.subarray(at, at + 2 * step))) t.fail(`random byte ${String(at)} and on`)
      tree.release(ino, handle)
    }
  }
  await Promise.all(Array.from({ length: 8 }, readAtRandom))
  await drive.shut()
  scratch.remove()
})
