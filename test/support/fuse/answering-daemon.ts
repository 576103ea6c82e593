/** A daemon that logs its answers, the requests it gets, and the next daemon. */
import { silentLog } from '../../../src/base/index.js'
import { createLoopback, encodeInit, encodeRequest, type Loopback } from './loopback.js'
import { caller, createFile, name, scratchDrive, type OpenDrive, type Scratch } from '../vfs/drive.js'
import { OPEN, ROOT_INO, type DirectoryEntry, type VfsOptions } from '../../../src/vfs/index.js'
import { OP } from '../../../src/fuse/protocol/protocol.js'
import { LoggedAnswers } from '../../../src/fuse/holder/logged-answers.js'
import { createJournal, type Journal } from '../../../src/fuse/holder/journal.js'
import { RedoLog } from '../../../src/fuse/holder/redo-log.js'
import { markUncommitted, replay } from '../../../src/fuse/holder/replay.js'
import { SHARED_BYTES, SharedState } from '../../../src/fuse/holder/shared-state.js'

export const UNIQUE = 2048

/** INIT flags2 of a kernel that can resend requests. */
export const NEGOTIATED = { minor: 45, flags: 0, flags2: 1 << 7 }

export const words = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4)
  values.forEach((value, i) => bytes.writeUInt32LE(value >>> 0, i * 4))
  return bytes
}

export const text = (...values: string[]): Buffer => Buffer.from(values.map((value) => `${value}\0`).join(''), 'latin1')

export const body = (...parts: Buffer[]): Buffer => Buffer.concat(parts)

/** The start of every scenario. */
export interface Numbers {
  readonly f: { readonly ino: number; readonly handle: number }
  readonly g: { readonly ino: number; readonly handle: number }
  readonly d: number
}

/** One request of each kind that changes the tree. Where possible, one that fails when it is repeated. */
export const KINDS: Readonly<Record<string, (n: Numbers) => Buffer>> = {
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

export async function prepare(drive: OpenDrive): Promise<Numbers> {
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
export async function show({ tree }: OpenDrive): Promise<string[]> {
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

export interface Daemon {
  readonly drive: OpenDrive
  readonly loopback: Loopback
  readonly journal: Journal
}

export function serve(drive: OpenDrive, state: SharedState, answers?: LoggedAnswers): Daemon {
  const loopback = createLoopback(drive.tree)
  const journal = createJournal(state, drive.tree, drive.tree.redo!, {
    releaseMemory: () => undefined,
    isTakenOver: answers !== undefined,
  })
  loopback.session.journal = journal
  return { drive, loopback, journal }
}

/** A new daemon that takes over the state left by a kill. */
export async function takeOver(
  scratch: Scratch,
  memory: ArrayBuffer,
  options: Partial<VfsOptions> = {},
): Promise<Daemon> {
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

export async function feed({ loopback }: Daemon, request: Buffer): Promise<Buffer> {
  const [now] = loopback.feed(request)
  for (let i = 0; now === undefined && i < 12_000; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    const [late] = loopback.replies()
    if (late !== undefined) return late
  }
  if (now === undefined) throw new Error('no answer')
  return now
}

/** A daemon that serves a prepared drive and keeps its log. */
export async function served(): Promise<{ scratch: Scratch; state: SharedState; first: Daemon; numbers: Numbers }> {
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
