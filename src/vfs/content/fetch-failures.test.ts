import test, { type ExecutionContext } from 'ava'
import { isDriveError } from '../../base/index.js'
import { TYPE } from '../../tree-state/index.js'
import { caller, find, list, readInode, scratchDrive, writeFile } from '../../../test/support/vfs/drive.js'
import { fetchingOperations, type Operation, type Subject } from '../../../test/support/vfs/fetching-operations.js'
import { freshRoot, world } from '../../../test/support/vfs/remote.js'

/** Runs the operation in its own drive. @returns whether its n-th fetch failed */
async function failOnce(t: ExecutionContext, label: string, operation: Operation, fetch: number): Promise<boolean> {
  const scratch = scratchDrive()
  const node = world()
  let drive = await scratch.open({ remote: node.source, freshRoot })
  const inoOf = async (text: string): Promise<number> => (await find(drive.tree, text))!.ino
  const on: Subject = {
    tree: drive.tree,
    file: await inoOf('file'),
    long: await inoOf('long'),
    sub: await inoOf('sub'),
    async freeze() {
      await drive.port.freeze()
      await drive.port.resume()
    },
  }
  node.failAfter(fetch)
  try {
    await operation(on)
  } catch (error) {
    if (!isDriveError(error, 'OFFLINE')) throw error
    t.true(node.hasFailed, `${label}: the node was there`)
  }
  // An unhandled failure shows in a later turn.
  await new Promise((resolve) => setTimeout(resolve, 10))
  const { hasFailed } = node
  node.failAfter(Infinity)
  const survivor = await writeFile(drive.tree, 'survivor', Buffer.from('alive'))
  await drive.tree.sync(survivor, false, caller)
  if (hasFailed) await again(t, label, operation, on)
  await drive.shut()
  drive = await scratch.open({ remote: node.source, freshRoot })
  t.is(String(await readInode(drive.tree, survivor)), 'alive', label)
  for (const { ino, type } of await list(drive.tree)) if (type === TYPE.FILE) await readInode(drive.tree, ino)
  await drive.shut()
  scratch.remove()
  return hasFailed
}

/** With the node back, the operation succeeds, apart from the part that was done the first time. */
async function again(t: ExecutionContext, label: string, operation: Operation, on: Subject): Promise<void> {
  try {
    await operation(on)
  } catch (error) {
    t.true(
      isDriveError(error) && ['EXISTS', 'NOT_FOUND', 'NOT_EMPTY', 'STALE'].includes(error.code),
      `${label}: again: ${String(error)}`,
    )
  }
}

const floating: unknown[] = []
process.on('unhandledRejection', (reason) => floating.push(reason))

for (const [label, operation] of Object.entries(fetchingOperations)) {
  test.serial(`S-020 one failed fetch fails that call alone: ${label}`, async (t) => {
    let failed = 0
    while (await failOnce(t, `${label}, fetch ${String(failed)}`, operation, failed)) failed++
    t.deepEqual(floating.splice(0), [], 'no failure is unhandled')
    t.pass()
  })
}
