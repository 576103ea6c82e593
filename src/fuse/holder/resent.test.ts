import test, { type ExecutionContext } from 'ava'
import { DriveError, silentLog } from '../../base/index.js'
import { createLoopback, encodeInit, encodeRequest, type Loopback } from '../../../test/support/fuse/loopback.js'
import {
  caller,
  createFile,
  name,
  scratchDrive,
  type OpenDrive,
  type Scratch,
} from '../../../test/support/vfs/drive.js'
import { OPEN, ROOT_INO, type DirectoryEntry, type VfsOptions } from '../../vfs/index.js'
import { OP } from '../protocol/protocol.js'
import { LoggedAnswers } from './logged-answers.js'
import { createJournal, type Journal } from './journal.js'
import { RedoLog } from './redo-log.js'
import { markUncommitted, replay } from './replay.js'
import { SHARED_BYTES, SharedState } from './shared-state.js'
import { until } from '../../../test/support/until.js'

const UNIQUE = 2048
const RESENT = 0x8000_0000
/** INIT flags2 of a kernel that can resend requests. */
const NEGOTIATED = { minor: 45, flags: 0, flags2: 1 << 7 }

const words = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4)
  values.forEach((value, i) => bytes.writeUInt32LE(value >>> 0, i * 4))
  return bytes
}
const text = (...values: string[]): Buffer => Buffer.from(values.map((value) => `${value}\0`).join(''), 'latin1')
const body = (...parts: Buffer[]): Buffer => Buffer.concat(parts)

/** The start of every scenario. */
interface Numbers {
  readonly f: { readonly ino: number; readonly handle: number }
  readonly g: { readonly ino: number; readonly handle: number }
  readonly d: number
}

/** One request of each kind that changes the tree. Where possible, one that fails when it is repeated. */
const KINDS: Readonly<Record<string, (n: Numbers) => Buffer>> = {
  create: () => encodeRequest(OP.CREATE, ROOT_INO, body(words(0o302, 0o100644, 0, 0), text('new')), UNIQUE),
  mknod: () => encodeRequest(OP.MKNOD, ROOT_INO, body(words(0o10644, 0, 0, 0), text('pipe')), UNIQUE),
  mkdir: () => encodeRequest(OP.MKDIR, ROOT_INO, body(words(0o755, 0), text('folder')), UNIQUE),
  symlink: () => encodeRequest(OP.SYMLINK, ROOT_INO, text('link', 'target'), UNIQUE),
  link: ({ f }) => encodeRequest(OP.LINK, ROOT_INO, body(words(f.ino, 0), text('second')), UNIQUE),
  unlink: () => encodeRequest(OP.UNLINK, ROOT_INO, text('f'), UNIQUE),
  rmdir: () => encodeRequest(OP.RMDIR, ROOT_INO, text('d'), UNIQUE),
  rename: ({ d }) => encodeRequest(OP.RENAME, ROOT_INO, body(words(d, 0), text('f', 'moved')), UNIQUE),
  replace: () => encodeRequest(OP.RENAME, ROOT_INO, body(words(ROOT_INO, 0), text('f', 'g')), UNIQUE),
  exchange: () => encodeRequest(OP.RENAME2, ROOT_INO, body(words(ROOT_INO, 0, 2, 0), text('f', 'g')), UNIQUE),
  write: ({ f }) =>
    encodeRequest(OP.WRITE, f.ino, body(words(f.handle, 0, 1, 0, 3, 0, 0, 0, 0, 0), Buffer.from('xyz')), UNIQUE),
  truncate: ({ f }) => {
    const change = Buffer.alloc(88)
    change.writeUInt32LE(1 << 3, 0)
    change.writeUInt32LE(2, 16)
    return encodeRequest(OP.SETATTR, f.ino, change, UNIQUE)
  },
  open: ({ g }) => encodeRequest(OP.OPEN, g.ino, words(0o1002, 0), UNIQUE),
  setxattr: ({ f }) => encodeRequest(OP.SETXATTR, f.ino, body(words(1, 1), text('user.new'), Buffer.from('1')), UNIQUE),
  removexattr: ({ g }) => encodeRequest(OP.REMOVEXATTR, g.ino, text('user.old'), UNIQUE),
  punch: ({ f }) => encodeRequest(OP.FALLOCATE, f.ino, words(f.handle, 0, 0, 0, 2, 0, 3, 0), UNIQUE),
  copy: ({ f, g }) =>
    encodeRequest(OP.COPY_FILE_RANGE, f.ino, words(f.handle, 0, 0, 0, g.ino, 0, g.handle, 0, 9, 0, 3, 0, 0, 0), UNIQUE),
}

async function prepare(drive: OpenDrive): Promise<Numbers> {
  const { tree } = drive
  const f = await createFile(tree, 'f')
  const g = await createFile(tree, 'g')
  await tree.write(f.ino, f.handle, 0, Buffer.from('first'), caller)
  await tree.write(g.ino, g.handle, 0, Buffer.from('other'), caller)
  await tree.setXattr(g.ino, 'user.old', Buffer.from('old'), 0, caller)
  const d = (await tree.makeDirectory(ROOT_INO, name('d'), 0o755, caller)).ino
  await drive.port.flush()
  return { f, g, d }
}

/** Names, inodes, sizes, link counts and contents. */
async function show({ tree }: OpenDrive): Promise<string[]> {
  const lines: string[] = []
  const walk = async (ino: number, path: string): Promise<void> => {
    const entries: DirectoryEntry[] = []
    const { handle } = await tree.openDirectory(ino, caller)
    await tree.readDirectory(
      ino,
      handle,
      { cookie: 0, withAttributes: false, visit: (entry) => entries.push(entry) > 0 },
      caller,
    )
    tree.releaseDirectory(ino, handle)
    for (const entry of entries) {
      const { size, nlink, mode } = await tree.getAttributes(entry.ino, caller)
      const names = await tree.listXattrs(entry.ino, caller)
      let content = ''
      if (mode >>> 12 === 8) {
        const opened = await tree.open(entry.ino, OPEN.READ_ONLY, caller)
        content = Buffer.concat([...(await tree.read(entry.ino, opened.handle, 0, 100, caller))]).toString('latin1')
        tree.release(entry.ino, opened.handle)
      }
      lines.push(`${path}${entry.name} ${entry.ino} ${size} ${nlink} ${mode} ${names.join()} ${content}`)
      if (mode >>> 12 === 4) await walk(entry.ino, `${path}${entry.name}/`)
    }
  }
  await walk(ROOT_INO, '/')
  return lines.sort()
}

interface Daemon {
  readonly drive: OpenDrive
  readonly loopback: Loopback
  readonly journal: Journal
}

function serve(drive: OpenDrive, state: SharedState, answers?: LoggedAnswers): Daemon {
  const loopback = createLoopback(drive.tree)
  const journal = createJournal(state, drive.tree, drive.tree.redo!, {
    releaseMemory: () => undefined,
    isTakenOver: answers !== undefined,
  })
  loopback.session.journal = journal
  return { drive, loopback, journal }
}

/** A new daemon that takes over the state left by a kill. */
async function takeOver(scratch: Scratch, memory: ArrayBuffer, options: Partial<VfsOptions> = {}): Promise<Daemon> {
  const state = new SharedState(memory)
  const onFound = (durable: number): void => markUncommitted(state, durable)
  const place = { ino: state.highestIno, handle: state.highestHandle, onFound }
  const drive = await scratch.open({ ...options, takeOver: place })
  const { failure } = await replay(state, drive.tree, drive.tree.redo!, silentLog)
  if (failure !== undefined) throw new Error(`errno ${failure.errno}: the replay stopped`)
  const answers = new LoggedAnswers(new RedoLog(state))
  const daemon = serve(drive, state, answers)
  daemon.loopback.session.takeOver(state.negotiated)
  daemon.loopback.session.answers = answers
  return daemon
}

async function feed({ loopback }: Daemon, request: Buffer): Promise<Buffer> {
  const [now] = loopback.feed(request)
  for (let i = 0; now === undefined && i < 12_000; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    const [late] = loopback.replies()
    if (late !== undefined) return late
  }
  if (now === undefined) throw new Error('no answer')
  return now
}

function again(request: Buffer): Buffer {
  const copy = Buffer.from(request)
  copy.writeUInt32LE((copy.readUInt32LE(12) | RESENT) >>> 0, 12)
  return copy
}

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

/** A daemon that serves a prepared drive and keeps its log. */
async function served(): Promise<{ scratch: Scratch; state: SharedState; first: Daemon; numbers: Numbers }> {
  const scratch = scratchDrive()
  const state = new SharedState(new ArrayBuffer(SHARED_BYTES))
  state.begin('a mount')
  const first = serve(await scratch.open(), state)
  const numbers = await prepare(first.drive)
  first.loopback.feed(encodeInit())
  state.negotiated = NEGOTIATED
  state.noteHandle(numbers.g.handle)
  first.loopback.session.takeOver(NEGOTIATED)
  return { scratch, state, first, numbers }
}

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

test.serial('S-050 replay accepts that an attribute was already removed by a commit', async (t) => {
  const { scratch, state, first, numbers } = await served()
  for (const kind of ['setxattr', 'removexattr', 'write']) expectDone(await feed(first, KINDS[kind]!(numbers)))
  const wanted = await show(first.drive)
  await first.drive.tree.redo!.commit()
  const copy = scratch.crashCopy()
  const next = await takeOver(copy, state.memory.slice(0))
  t.deepEqual(await show(next.drive), wanted)
  for (const { journal, drive } of [first, next]) {
    journal.close()
    await drive.shut()
  }
  for (const each of [scratch, copy]) each.remove()
})

const POINTS = [
  'before a change is executed',
  'after it is logged and before it is answered',
  'after a commit',
  'again during the next take-over',
] as const

for (const point of POINTS) {
  test.serial(`S-084 daemon killed ${point}: each change takes effect once and gets the same answer`, async (t) => {
    for (const [kind, encode] of Object.entries(KINDS)) {
      t.log(kind)
      await scenario(t, encode, point)
    }
  })
}

async function scenario(
  t: ExecutionContext,
  encode: (n: Numbers) => Buffer,
  point: (typeof POINTS)[number],
): Promise<void> {
  const { scratch, state, first, numbers } = await served()
  const request = encode(numbers)

  const untouched = point === POINTS[0] ? { memory: state.memory.slice(0), copy: scratch.crashCopy() } : undefined
  const answer = await feed(first, request)
  t.is(answer.readInt32LE(4), 0)
  const memory = untouched?.memory ?? state.memory.slice(0)
  const wanted = await show(first.drive)
  if (point === 'after a commit') await first.drive.tree.redo!.commit()
  const copy = untouched?.copy ?? scratch.crashCopy()

  let next = await takeOver(copy, memory)
  let last = copy
  if (point === POINTS[3]) {
    await next.drive.tree.redo!.commit()
    // Another resent request is served first.
    t.is(
      (await feed(next, again(encodeRequest(OP.MKDIR, ROOT_INO, body(words(0o755, 0), text('other')), 4)))).readInt32LE(
        4,
      ),
      0,
    )
    await next.drive.tree.redo!.commit()
    const kept = new SharedState(memory.slice(0))
    last = copy.crashCopy()
    next.journal.close()
    await next.drive.shut()
    next = await takeOver(last, kept.memory)
    t.is((await next.drive.tree.lookup(ROOT_INO, name('other'), caller))?.nlink, 2)
    await next.drive.tree.removeDirectory(ROOT_INO, name('other'), caller)
  }
  const reply = await feed(next, again(request))
  t.is(reply.readInt32LE(4), 0)
  t.is(reply.readUInt32LE(12), RESENT)
  t.is(reply.length, answer.length)
  // The numbers that the kernel will use: of an entry or an open file, or a count. They are assigned again if there was
  // no answer.
  if (untouched === undefined) t.deepEqual(reply.subarray(16, 24), answer.subarray(16, 24))
  const seen = await show(next.drive)
  const withoutNumber = (line: string): string => (untouched === undefined ? line : line.replace(/ \d+ /, ' '))
  t.deepEqual(seen.map(withoutNumber), wanted.map(withoutNumber))
  for (const { journal, drive } of [first, next]) {
    journal.close()
    await drive.shut()
  }
  for (const each of new Set([scratch, copy, last])) each.remove()
}

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
