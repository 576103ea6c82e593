import test from 'ava'
import { createLoopback, encodeRequest } from '../../../test/support/fuse/loopback.js'
import { caller, createFile, find, list, name, scratchDrive } from '../../../test/support/vfs/drive.js'
import { freshRoot, world } from '../../../test/support/vfs/remote.js'
import { deferred, silentLog } from '../../base/index.js'
import { ROOT_INO } from '../../vfs/index.js'
import { OP } from '../protocol/protocol.js'
import { createJournal } from './journal.js'
import { markUncommitted, replay } from './replay.js'
import { SHARED_BYTES, SharedState } from './shared-state.js'

const NEGOTIATED = { minor: 45, flags: 0, flags2: 1 << 7 }

test('S-135 S-123 a change that waits for the node is made after changes of clients are on disk, and a kill after its answer loses neither', async (t) => {
  const scratch = scratchDrive()
  const { source } = world()
  const isBack = deferred<void>()
  let isGated = false
  const remote: typeof source = {
    ...source,
    loadDirectory: async (...given) => {
      if (isGated) await isBack.promise
      return source.loadDirectory(...given)
    },
  }
  const drive = await scratch.open({ remote, freshRoot })
  const { tree, port } = drive
  const sub = (await find(tree, 'sub'))!
  await list(tree, ROOT_INO, true)
  const state = new SharedState(new ArrayBuffer(SHARED_BYTES))
  state.begin('a mount')
  state.negotiated = NEGOTIATED
  const loopback = createLoopback(tree)
  const { session } = loopback
  session.takeOver(NEGOTIATED)
  const journal = createJournal(state, tree, tree.redo!, { releaseMemory: () => undefined })
  session.journal = journal
  await port.flush()

  isGated = true
  const to = Buffer.alloc(8)
  to.writeBigUInt64LE(BigInt(sub.ino))
  const rename = encodeRequest(OP.RENAME, ROOT_INO, Buffer.concat([to, Buffer.from('file\0moved\0')]), 2048)
  t.is(loopback.feed(rename).length, 0, 'it waits for the entries of the directory')
  isBack.resolve()
  let answer: Buffer | undefined
  let changes = 0
  /** Like a client of the socket, which lets programs that wait for its change go first. */
  while (answer === undefined && changes < 10_000) {
    await tree.redo!.whenQuiet()
    answer ??= loopback.replies()[0]
    if (answer !== undefined) break
    const made = await createFile(tree, 'tmp')
    tree.release(made.ino, made.handle)
    await tree.rename({ parent: ROOT_INO, name: name('tmp') }, { parent: ROOT_INO, name: name('file') }, 0, caller)
    changes++
    await new Promise((resolve) => setImmediate(resolve))
    answer = loopback.replies()[0]
  }
  t.is(answer?.readInt32LE(4), 0)
  t.true(changes > 0)
  const moved = (await find(tree, 'moved', sub.ino))!.ino
  const copy = scratch.crashCopy()
  const after = new SharedState(state.memory.slice(0))
  const onFound = (durable: number): void => markUncommitted(after, durable)
  const place = { ino: after.highestIno, handle: after.highestHandle, onFound }
  const next = await copy.open({ remote, takeOver: place })
  t.is((await replay(after, next.tree, next.tree.redo!, silentLog)).failure, undefined)
  t.is((await find(next.tree, 'moved', sub.ino))?.ino, moved)
  journal.close()
  for (const each of [drive, next]) await each.shut()
  for (const each of [scratch, copy]) each.remove()
})
