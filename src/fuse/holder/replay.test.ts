import test from 'ava'
import { until } from '../../../test/support/until.js'
import { DriveError, silentLog } from '../../base/index.js'
import { encodeInit, encodeRequest } from '../../../test/support/fuse/loopback.js'
import { caller, createFile, name, scratchDrive, type Scratch } from '../../../test/support/vfs/drive.js'
import { ROOT_INO } from '../../vfs/index.js'
import { OP } from '../protocol/protocol.js'
import { RedoLog } from './redo-log.js'
import { markUncommitted, replay } from './replay.js'
import { SHARED_BYTES, SharedState } from './shared-state.js'
import {
  UNIQUE,
  NEGOTIATED,
  words,
  text,
  body,
  KINDS,
  prepare,
  show,
  type Daemon,
  serve,
  takeOver,
  feed,
  served,
} from '../../../test/support/fuse/answering-daemon.js'

test.serial('S-086 a file that was removed and forgotten just before a kill is freed by the next daemon', async (t) => {
  const scratch = scratchDrive()
  const state = new SharedState(new ArrayBuffer(SHARED_BYTES))
  state.begin('a mount')
  const first = serve(await scratch.open(), state)
  const { f } = await prepare(first.drive)
  first.loopback.feed(encodeInit())
  state.negotiated = NEGOTIATED
  first.loopback.session.takeOver(NEGOTIATED)
  state.noteIno(f.ino)
  state.noteHandle(f.handle)
  first.drive.tree.remember(f.ino)
  await feed(first, KINDS['write']!({ f, g: f, d: 0 }))
  await feed(first, KINDS['unlink']!({ f, g: f, d: 0 }))
  await feed(first, encodeRequest(OP.RELEASE, f.ino, words(f.handle, 0, 0, 0, 0, 0)))
  first.loopback.feed(encodeRequest(OP.FORGET, f.ino, words(1, 0)))
  await t.throwsAsync(async () => first.drive.tree.getAttributes(f.ino, caller), { code: 'STALE' })
  const copy = scratch.crashCopy()
  const next = await takeOver(copy, state.memory.slice(0))
  await t.throwsAsync(async () => next.drive.tree.getAttributes(f.ino, caller), { code: 'STALE' })
  await next.drive.port.flush()
  for (const { journal, drive } of [first, next]) {
    journal.close()
    await drive.shut()
  }
  for (const each of [scratch, copy]) each.remove()
})

test.serial('S-084 a change that had to wait is logged as requested, whatever is requested meanwhile', async (t) => {
  const scratch = scratchDrive()
  const state = new SharedState(new ArrayBuffer(SHARED_BYTES))
  state.begin('a mount')
  const daemon = serve(await scratch.open(), state)
  const { drive, loopback } = daemon
  const numbers = await prepare(drive)
  loopback.feed(encodeInit())
  state.negotiated = NEGOTIATED
  loopback.session.takeOver(NEGOTIATED)
  const write = KINDS['write']!(numbers)
  const freezing = drive.port.freeze()
  t.is(loopback.feed(write).length, 0, 'writers wait while the drive is quiesced')
  for (let i = 0; i < 5; i++)
    loopback.feed(encodeRequest(OP.MKNOD, ROOT_INO, body(words(0o10644, 0, 0, 0), text(`p${i}`))))
  await freezing
  await drive.port.resume()
  await until(() => loopback.replies().some((reply) => reply.length === 24), 10)
  const logged = [...new RedoLog(state).entries()].map(({ request }) => Buffer.from(request))
  t.is(logged.filter((request) => request.equals(write)).length, 1)
  t.is(logged.filter((request) => request.readUInt32LE(4) === OP.MKNOD).length, 5)
  daemon.journal.close()
  await drive.shut()
  scratch.remove()
})

/** Creates and writes a file, extends others and removes one. All changes are answered, and only in the log. */
async function answeredCopy(): Promise<{ first: Daemon; state: SharedState; scratch: Scratch; wanted: string[] }> {
  const { scratch, state, first, numbers } = await served()
  const made = await feed(first, KINDS['create']!(numbers))
  const copy = { ino: Number(made.readBigUInt64LE(16)), handle: Number(made.readBigUInt64LE(16 + 128)) }
  const grow = Buffer.alloc(88)
  grow.writeUInt32LE(1 << 3, 0)
  grow.writeUInt32LE(50, 16)
  const requests = [
    KINDS['write']!({ ...numbers, f: copy }),
    KINDS['write']!(numbers),
    encodeRequest(OP.SETATTR, numbers.g.ino, grow, UNIQUE),
    encodeRequest(OP.FALLOCATE, numbers.g.ino, words(numbers.g.handle, 0, 50, 0, 20, 0, 0, 0), UNIQUE),
    KINDS['mkdir']!(numbers),
    KINDS['unlink']!(numbers),
  ]
  for (const request of requests) expectDone(await feed(first, request))
  return { first, state, scratch, wanted: await show(first.drive) }
}

function expectDone(reply: Buffer): void {
  if (reply.readInt32LE(4) !== 0) throw new Error(`errno ${-reply.readInt32LE(4)}`)
}

test.serial('S-050 answered operations are restored even if the disk is now full for new writes', async (t) => {
  const { first, state, scratch, wanted } = await answeredCopy()
  const copy = scratch.crashCopy()
  const full = { availableBytes: 0, totalBytes: 2 ** 30 }
  const next = await takeOver(copy, state.memory.slice(0), { disk: { space: () => full } })
  t.deepEqual(await show(next.drive), wanted)
  await t.throwsAsync(async () => createFile(next.drive.tree, 'later'), { code: 'NO_SPACE' })
  for (const { journal, drive } of [first, next]) {
    journal.close()
    await drive.shut()
  }
  for (const each of [scratch, copy]) each.remove()
})

test.serial('S-050 if replaying an operation fails, the later ones are not replayed and stay in the log', async (t) => {
  const { first, state, scratch, wanted } = await answeredCopy()
  const copy = scratch.crashCopy()
  const shared = new SharedState(state.memory.slice(0))
  const onFound = (durable: number): void => markUncommitted(shared, durable)
  const place = { ino: shared.highestIno, handle: shared.highestHandle, onFound }
  let drive = await copy.open({ takeOver: place })
  const before = await show(drive)
  const failing = (): never => {
    throw new DriveError('CORRUPT', 'A row is damaged.')
  }
  Object.assign(drive.tree, { create: failing })
  const count = [...new RedoLog(shared).entries()].length
  const stopped = await replay(shared, drive.tree, drive.tree.redo!, silentLog)
  t.deepEqual(stopped, { done: 0, failure: { opcode: OP.CREATE, errno: 5, ino: ROOT_INO, left: count } })
  t.deepEqual(await show(drive), before)
  await drive.shut()
  drive = await copy.open({ takeOver: place })
  t.is((await replay(shared, drive.tree, drive.tree.redo!, silentLog)).failure, undefined)
  t.deepEqual(await show(drive), wanted)
  first.journal.close()
  for (const each of [first.drive, drive]) await each.shut()
  for (const each of [scratch, copy]) each.remove()
})

test.serial(
  'S-174 an operation that has no space when it is replayed is tried again until it has, or is given up',
  async (t) => {
    const { first, state, scratch, wanted } = await answeredCopy()
    const copy = scratch.crashCopy()
    const shared = new SharedState(state.memory.slice(0))
    const onFound = (durable: number): void => markUncommitted(shared, durable)
    const place = { ino: shared.highestIno, handle: shared.highestHandle, onFound }
    const drive = await copy.open({ takeOver: place })
    const { tree } = drive
    const create = tree.create.bind(tree)
    let tries = 0
    const onFullDisk = (...given: Parameters<typeof create>): ReturnType<typeof create> => {
      if (++tries <= 4) throw new DriveError('NO_SPACE', 'The disk is full.')
      return create(...given)
    }
    Object.assign(tree, { create: onFullDisk })
    const count = [...new RedoLog(shared).entries()].length
    const givenUp = await replay(shared, tree, tree.redo!, silentLog, { untilSpace: () => Promise.resolve(false) })
    t.like(givenUp, { done: 0, failure: { errno: 28, left: count } })
    let waits = 0
    const untilSpace = (): Promise<boolean> => Promise.resolve(++waits > 0)
    const replayed = await replay(shared, tree, tree.redo!, silentLog, { untilSpace })
    t.is(replayed.failure, undefined)
    t.is(waits, 3)
    t.deepEqual(await show(drive), wanted)
    first.journal.close()
    for (const each of [first.drive, drive]) await each.shut()
    for (const each of [scratch, copy]) each.remove()
  },
)

test.serial(
  'S-050 replays accept that an attribute was already set or removed by a commit, after each kill',
  async (t) => {
    const { scratch, state, first, numbers } = await served()
    for (const kind of ['setxattr', 'removexattr', 'write']) expectDone(await feed(first, KINDS[kind]!(numbers)))
    const wanted = await show(first.drive)
    await first.drive.tree.redo!.commit()
    const copies = [scratch]
    const daemons = [first]
    let { memory } = state
    // Each daemon is killed before its first commit.
    for (let kills = 1; kills <= 3; kills++) {
      copies.push(copies.at(-1)!.crashCopy())
      memory = memory.slice(0)
      daemons.push(await takeOver(copies.at(-1)!, memory))
      t.deepEqual(await show(daemons.at(-1)!.drive), wanted, `after ${kills} kills`)
    }
    for (const { journal, drive } of daemons) {
      journal.close()
      await drive.shut()
    }
    for (const each of copies) each.remove()
  },
)

test.serial('S-123 a change waits for one that no log has, and a kill after its answer loses neither', async (t) => {
  const { scratch, state, first } = await served()
  await first.drive.tree.removeDirectory(ROOT_INO, name('d'), caller)
  const made = await feed(first, encodeRequest(OP.MKDIR, ROOT_INO, body(words(0o755, 0), text('d')), UNIQUE))
  t.is(made.readInt32LE(4), 0)
  const copy = scratch.crashCopy()
  const next = await takeOver(copy, state.memory.slice(0))
  t.deepEqual(await show(next.drive), await show(first.drive))
  for (const { journal, drive } of [first, next]) {
    journal.close()
    await drive.shut()
  }
  for (const each of [scratch, copy]) each.remove()
})
