/**
 * Maps an opcode to its operation. No exception reaches the channel. A malformed request is answered with an error, and
 * an unsupported operation with ENOSYS: the kernel then uses its own fallback or stops sending it.
 */
import { ERRNO } from '../protocol/errno.js'
import { answerAgain } from './answer-again.js'
import { initialize } from './initialize.js'
import * as attributes from './attributes.js'
import * as directories from './directories.js'
import * as files from './files.js'
import * as names from './names.js'
import * as p from '../protocol/protocol.js'
import { Request, uniqueNumber } from '../protocol/request.js'
import type { MountSession } from './session.js'
import type { Journal } from '../holder/journal.js'
import { SKIPPED } from '../holder/redo-log.js'
import type { LoggedAnswers } from '../holder/logged-answers.js'
import type { Suspects } from '../holder/suspects.js'

type Operation = (session: MountSession, request: Request, at: number, end: number) => void

interface Row {
  readonly run: Operation
  /** The minimum length of the body. */
  readonly bytes: number
  /**
   * It changes nothing, so a killed caller is released at once. Other operations continue until the tree notices the
   * signal.
   */
  readonly isReadOnly: boolean
}

const TABLE: (Row | undefined)[] = []

function row(opcode: number, bytes: number, run: Operation, isReadOnly = false): void {
  TABLE[opcode] = { run, bytes, isReadOnly }
}

row(p.OP.LOOKUP, 2, names.answerLookup, true)
row(p.OP.GETATTR, 0, attributes.answerGetAttributes, true)
row(p.OP.SETATTR, p.SETATTR_IN.bytes, attributes.answerSetAttributes)
row(p.OP.READLINK, 0, names.answerReadLink, true)
row(p.OP.SYMLINK, 4, names.answerMakeSymlink)
row(p.OP.MKNOD, p.MKNOD_IN.bytes + 2, names.answerMakeNode)
row(p.OP.MKDIR, p.MKDIR_IN.bytes + 2, names.answerMakeDirectory)
row(p.OP.UNLINK, 2, names.answerUnlink)
row(p.OP.RMDIR, 2, names.answerRemoveDirectory)
row(p.OP.RENAME, p.RENAME_IN.bytes + 4, names.answerRename)
row(p.OP.LINK, p.LINK_IN.bytes + 2, names.answerLink)
row(p.OP.OPEN, p.OPEN_IN.bytes, files.answerOpen)
row(p.OP.READ, p.READ_IN.bytes, files.answerRead, true)
row(p.OP.WRITE, p.WRITE_IN.bytes, files.answerWrite)
row(p.OP.STATFS, 0, attributes.answerStatistics, true)
row(p.OP.RELEASE, p.RELEASE_IN.bytes, files.answerRelease)
row(p.OP.FSYNC, p.FSYNC_IN.bytes, files.answerSync, true)
row(p.OP.SETXATTR, p.SETXATTR_IN.compatBytes + 2, attributes.answerSetXattr)
row(p.OP.GETXATTR, p.GETXATTR_IN.bytes + 2, attributes.answerGetXattr, true)
row(p.OP.LISTXATTR, p.GETXATTR_IN.bytes, attributes.answerListXattrs, true)
row(p.OP.REMOVEXATTR, 2, attributes.answerRemoveXattr)
row(p.OP.FLUSH, p.FLUSH_IN.bytes, files.answerFlush, true)
row(p.OP.INIT, p.INIT_IN.bytes, initialize)
row(p.OP.OPENDIR, p.OPEN_IN.bytes, directories.answerOpenDirectory, true)
row(p.OP.READDIR, p.READ_IN.bytes, directories.answerReadDirectory, true)
row(p.OP.RELEASEDIR, p.RELEASE_IN.bytes, directories.answerReleaseDirectory)
row(p.OP.FSYNCDIR, p.FSYNC_IN.bytes, files.answerSync, true)
row(p.OP.ACCESS, p.ACCESS_IN.bytes, attributes.answerAccess, true)
row(p.OP.CREATE, p.CREATE_IN.bytes + 2, files.answerCreate)
row(p.OP.DESTROY, 0, names.replyOk)
row(p.OP.FALLOCATE, p.FALLOCATE_IN.bytes, files.answerAllocate)
row(p.OP.READDIRPLUS, p.READ_IN.bytes, directories.answerReadDirectory, true)
row(p.OP.RENAME2, p.RENAME2_IN.bytes + 4, names.answerRename2)
row(p.OP.LSEEK, p.LSEEK_IN.bytes, files.answerSeek, true)
row(p.OP.COPY_FILE_RANGE, p.COPY_IN.bytes, files.answerCopyRange)
row(p.OP.SYNCFS, 8, files.answerSyncAll, true)
row(p.OP.STATX, 24, attributes.answerStatx, true)
row(p.OP.COPY_FILE_RANGE_64, p.COPY_IN.bytes, files.answerCopyRange)

/** Answers the request in `session.in[start … start + length)`. */
export function dispatch(session: MountSession, start: number, length: number): void {
  const input = session.in
  if (length < p.REQUEST_HEADER_BYTES || input.u32(start) !== length) {
    session.log.error('the kernel sent a request of the wrong length', { length })
    return
  }
  const opcode = input.u32(start + p.HEADER.opcode)
  const at = start + p.REQUEST_HEADER_BYTES
  const end = start + length
  if (
    opcode === p.OP.FORGET ||
    opcode === p.OP.BATCH_FORGET ||
    opcode === p.OP.INTERRUPT ||
    opcode === p.OP.NOTIFY_REPLY
  ) {
    withoutReply(session, opcode, input.u64(start + p.HEADER.nodeId), at, end)
    return
  }
  const request = new Request(input, start)
  const operation = TABLE[opcode]
  if (operation === undefined) {
    session.sendErrno(request, ERRNO.ENOSYS)
    return
  }
  if (end - at < operation.bytes || (session.minor === 0 && opcode !== p.OP.INIT)) {
    session.sendErrno(request, ERRNO.EIO)
    return
  }
  request.isReadOnly = operation.isReadOnly
  if (session.answers !== undefined && isAnswered(session, session.answers, request, at)) return
  if (session.suspects !== undefined && isRefused(session, session.suspects, request)) return
  const { journal } = session
  try {
    if (journal === undefined || !session.isJournaled(request)) operation.run(session, request, at, end)
    else if (journal.isReady(length)) journal.make(() => operation.run(session, request, at, end))
    else runLater(session, journal, request, length)
  } catch (error) {
    session.fail(request, error)
  }
}

/**
 * Whether an earlier daemon executed and logged this request before it was killed. The kernel resends such requests
 * before all others.
 */
function isAnswered(session: MountSession, answers: LoggedAnswers, request: Request, at: number): boolean {
  if (!request.isResent) {
    session.answers = undefined
    session.journal?.allResent()
    return false
  }
  const given = answers.of(request.unique)
  // A repeated WRITE writes the same bytes and invalidates the cached pages again.
  if (given === undefined || request.opcode === p.OP.WRITE) return false
  try {
    if (given.sequence === SKIPPED) session.sendErrno(request, ERRNO.EIO)
    else answerAgain(session, request, given, at)
  } catch (error) {
    session.fail(request, error)
  }
  return true
}

/** Whether two drive threads died while they served this request, so that this one answers it with an error. */
function isRefused(session: MountSession, suspects: Suspects, request: Request): boolean {
  if (!request.isResent || !suspects.refuses(request.unique)) return false
  session.onRefused(p.operationName(request.opcode))
  session.sendErrno(request, ERRNO.EIO)
  return true
}

/** The request, a change, has to wait for the log. */
function runLater(session: MountSession, journal: Journal, request: Request, length: number): void {
  const { start } = request
  const bytes = Buffer.from(session.in.bytes.subarray(start, start + length))
  journal.whenReady(length).then(
    () => session.dispatchCopy(bytes, dispatch),
    (error: unknown) => session.fail(request, error),
  )
}

/** Requests without a reply. */
function withoutReply(session: MountSession, opcode: number, nodeId: number, at: number, end: number): void {
  try {
    if (opcode === p.OP.FORGET) {
      if (end - at >= p.FORGET_IN.bytes) session.tree.forget(nodeId, session.in.u64(at))
      session.journal?.forgotten()
    } else if (opcode === p.OP.BATCH_FORGET) {
      forgetMany(session, at, end)
      session.journal?.forgotten()
    }
    if (opcode === p.OP.INTERRUPT && end - at >= p.INTERRUPT_IN.bytes) interrupt(session, at)
  } catch (error) {
    session.log.error('a request without a reply failed', {
      opcode,
      error: error instanceof Error ? error.constructor.name : typeof error,
    })
  }
}

function forgetMany(session: MountSession, at: number, end: number): void {
  if (end - at < p.BATCH_FORGET_IN.bytes) return
  const first = at + p.BATCH_FORGET_IN.bytes
  const room = Math.floor((end - first) / p.BATCH_FORGET_IN.each)
  const count = Math.min(session.in.u32(at), room)
  for (let i = 0; i < count; i++) {
    const each = first + i * p.BATCH_FORGET_IN.each
    session.tree.forget(session.in.u64(each), session.in.u64(each + 8))
  }
}

/** Ignored if the request was answered meanwhile. */
function interrupt(session: MountSession, at: number): void {
  const uniqueLow = session.in.u32(at + p.INTERRUPT_IN.unique)
  const uniqueHigh = session.in.u32(at + p.INTERRUPT_IN.unique + 4)
  const request = session.waitingRequest(uniqueNumber(uniqueHigh, uniqueLow))
  if (request !== undefined) session.interrupted.add(request)
}
