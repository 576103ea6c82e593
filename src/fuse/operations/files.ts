/** Operations on open files. */
import { DriveError, isDriveError, type PlainName } from '../../base/index.js'
import { OPEN, type Attributes, type Maybe, type Opened } from '../../vfs/index.js'
import { MAX_WRITE_BYTES } from './initialize.js'
import { replyOk } from './names.js'
import {
  COPY_IN,
  CREATE_IN,
  FALLOCATE_IN,
  FLUSH_IN,
  FSYNC_DATA_ONLY,
  FSYNC_IN,
  LSEEK_IN,
  OPENED,
  OPEN_DROP_SET_ID,
  OPEN_IN,
  READ_IN,
  READ_PAST_CACHE,
  RELEASE_IN,
  REPLY_HEADER_BYTES,
  WRITE_DROP_SET_ID,
  WRITE_IN,
  WRITE_PAST_CACHE,
  OP,
} from '../protocol/protocol.js'
import { malformed, readExact, readName } from '../protocol/read-request.js'
import { putEntryOut, putOpenOut } from '../protocol/reply.js'
import type { Request } from '../protocol/request.js'
import type { MountSession } from './session.js'

const O_EXCL = 0o200

/** Closing a read-only file cannot fail, so the kernel need not send FLUSH. */
function openedFlags(s: MountSession, opened: Opened, openFlags: number): number {
  const readOnly = (openFlags & OPEN.ACCESS_MODE) === OPEN.READ_ONLY && !s.options.writeback
  return (opened.keepCache ? OPENED.KEEP_CACHE : 0) | (readOnly ? OPENED.NO_FLUSH : 0)
}

export function answerCreate(s: MountSession, r: Request, at: number, end: number): void {
  const flags = s.in.u32(at + CREATE_IN.flags)
  if (s.usesUmask) r.umask = s.in.u32(at + CREATE_IN.umask)
  r.note = flags
  const wanted = {
    name: readName(s, at + CREATE_IN.bytes, end),
    mode: s.in.u32(at + CREATE_IN.mode),
    flags,
    dropSetId: (s.in.u32(at + CREATE_IN.openFlags) & OPEN_DROP_SET_ID) !== 0,
  }
  s.settle(r, createOrOpen(s, r, wanted), replyCreated)
}

interface Wanted {
  readonly name: PlainName
  readonly mode: number
  readonly flags: number
  readonly dropSetId: boolean
}

interface Created {
  readonly attributes: Attributes
  readonly opened: Opened
}

/**
 * The kernel sends CREATE if it believes that the name is absent. It may be wrong if another device has just made the
 * name. Without O_EXCL the caller then opens the existing file.
 */
function createOrOpen(s: MountSession, r: Request, wanted: Wanted): Maybe<Created> {
  const { name, mode, flags } = wanted
  const recover = (error: unknown): Promise<Created> => {
    if ((flags & O_EXCL) !== 0 || !isDriveError(error, 'EXISTS')) throw error
    return openExisting(s, r, wanted)
  }
  try {
    const made = s.tree.create(r.nodeId, name, mode, flags, r)
    return made instanceof Promise ? made.catch(recover) : made
  } catch (error) {
    return recover(error)
  }
}

async function openExisting(s: MountSession, r: Request, { name, flags, dropSetId }: Wanted): Promise<Created> {
  const found = await s.tree.lookup(r.nodeId, name, r)
  if (found === undefined) throw new DriveError('NOT_FOUND', 'The name was removed by another change.')
  const opened = await s.tree.open(found.ino, flags, r)
  if (dropSetId) s.tree.dropSetId(found.ino, r)
  try {
    return { attributes: await s.tree.getAttributes(found.ino, r), opened }
  } catch (error) {
    s.tree.release(found.ino, opened.handle)
    throw error
  }
}

/** Grants the kernel a reference and an open file. Releases both if the kernel did not accept the reply. */
export function replyCreated(s: MountSession, r: Request, made: Created): void {
  const { attributes, opened } = made
  s.tree.remember(attributes.ino)
  s.files.opened(opened.handle, attributes.ino)
  s.journal?.state.noteHandle(opened.handle)
  const at = putEntryOut(s.out, REPLY_HEADER_BYTES, attributes)
  if (s.send(r, putOpenOut(s.out, at, opened.handle, openedFlags(s, opened, r.note)))) return
  s.files.released(opened.handle)
  s.tree.release(attributes.ino, opened.handle)
  s.tree.forget(attributes.ino, 1)
}

export function answerOpen(s: MountSession, r: Request, at: number): void {
  const flags = s.in.u32(at + OPEN_IN.flags)
  r.note = flags
  if ((s.in.u32(at + OPEN_IN.openFlags) & OPEN_DROP_SET_ID) !== 0) s.tree.dropSetId(r.nodeId, r)
  s.settle(r, s.tree.open(r.nodeId, flags, r), replyOpenedFile)
}

/** Grants the kernel an open file. Closes it if the kernel did not accept the reply. */
export function replyOpenedFile(s: MountSession, r: Request, opened: Opened): void {
  s.files.opened(opened.handle, r.nodeId)
  s.journal?.state.noteHandle(opened.handle)
  if (s.send(r, putOpenOut(s.out, REPLY_HEADER_BYTES, opened.handle, openedFlags(s, opened, r.note)))) return
  s.files.released(opened.handle)
  s.tree.release(r.nodeId, opened.handle)
}

function replyData(s: MountSession, r: Request, segments: readonly Uint8Array[]): void {
  s.sendData(r, segments)
}

export function answerRead(s: MountSession, r: Request, at: number): void {
  const handle = readExact(s, at + READ_IN.handle)
  const offset = readExact(s, at + READ_IN.offset)
  const size = Math.min(s.in.u32(at + READ_IN.size), MAX_WRITE_BYTES)
  if ((s.in.u32(at + READ_IN.readFlags) & READ_PAST_CACHE) === 0) s.files.pagesFilled(r.nodeId)
  s.settle(r, s.tree.read(r.nodeId, handle, offset, size, r), replyData)
}

/** struct fuse_write_out, also the answer to COPY_FILE_RANGE. */
export function replyWritten(s: MountSession, r: Request, count: number): void {
  s.out.setU32(REPLY_HEADER_BYTES, count)
  s.out.setU32(REPLY_HEADER_BYTES + 4, 0)
  s.send(r, REPLY_HEADER_BYTES + 8)
}

// The offset is exact, also for O_APPEND: under its lock of the file, the kernel puts the file's size there.
// Its cached pages hold the bytes at that offset, so they must land there.
export function answerWrite(s: MountSession, r: Request, at: number, end: number): void {
  const handle = readExact(s, at + WRITE_IN.handle)
  const offset = readExact(s, at + WRITE_IN.offset)
  const size = s.in.u32(at + WRITE_IN.size)
  const start = at + WRITE_IN.bytes
  if (start + size > end) throw malformed()
  const flags = s.in.u32(at + WRITE_IN.writeFlags)
  if ((flags & WRITE_DROP_SET_ID) !== 0) s.tree.dropSetId(r.nodeId, r)
  const isDirect = (flags & WRITE_PAST_CACHE) !== 0
  if (!isDirect) s.files.pagesFilled(r.nodeId)
  r.note = offset
  const data = s.in.bytes.subarray(start, start + size)
  s.settle(r, s.tree.write(r.nodeId, handle, offset, data, r), isDirect ? replyPastCache : replyWritten)
}

/**
 * The kernel drops the cached pages of a direct write when the write begins. Pages cached during the write are dropped
 * at its end only for synchronous writes, not for asynchronous ones. So they are dropped here, between the write and
 * its reply.
 */
function replyPastCache(s: MountSession, r: Request, count: number): void {
  if (!s.files.hasPages(r.nodeId)) replyWritten(s, r, count)
  else s.settle(r, s.dropPages(r.nodeId, r.note, count), () => replyWritten(s, r, count))
}

export function answerFlush(s: MountSession, r: Request, at: number): void {
  s.settle(r, s.tree.flush(r.nodeId, readExact(s, at + FLUSH_IN.handle), r), replyOk)
}

export function answerRelease(s: MountSession, r: Request, at: number): void {
  const handle = readExact(s, at + RELEASE_IN.handle)
  s.files.released(handle)
  s.tree.release(r.nodeId, handle)
  s.sendOk(r)
}

/** FSYNC and FSYNCDIR. */
export function answerSync(s: MountSession, r: Request, at: number): void {
  const dataOnly = (s.in.u32(at + FSYNC_IN.flags) & FSYNC_DATA_ONLY) !== 0
  s.settle(r, s.tree.sync(r.nodeId, dataOnly, r), replyOk)
}

export function answerSyncAll(s: MountSession, r: Request): void {
  s.settle(r, s.tree.syncAll(r), replyOk)
}

export function answerAllocate(s: MountSession, r: Request, at: number): void {
  const handle = readExact(s, at + FALLOCATE_IN.handle)
  const offset = readExact(s, at + FALLOCATE_IN.offset)
  const length = readExact(s, at + FALLOCATE_IN.length)
  dropSetIdOfOthers(s, r, r.nodeId)
  s.settle(r, s.tree.allocate(r.nodeId, handle, { mode: s.in.u32(at + FALLOCATE_IN.mode), offset, length }, r), replyOk)
}

export function answerSeek(s: MountSession, r: Request, at: number): void {
  const handle = readExact(s, at + LSEEK_IN.handle)
  const offset = s.in.u64(at + LSEEK_IN.offset)
  // Also true for offsets that the program meant as negative.
  if (offset > Number.MAX_SAFE_INTEGER)
    throw new DriveError('NO_SUCH_ADDRESS', 'The offset is past the end of any file.')
  s.settle(r, s.tree.seek(r.nodeId, handle, offset, s.in.u32(at + LSEEK_IN.whence), r), reply64)
}

/** Replies with one number: an offset, or the byte count of the 64-bit COPY_FILE_RANGE. */
export function reply64(s: MountSession, r: Request, value: number): void {
  s.out.set64(REPLY_HEADER_BYTES, value)
  s.send(r, REPLY_HEADER_BYTES + 8)
}

/** The 32-bit form copies at most this many bytes; the caller repeats the call for the rest. */
const MAX_COPY_BYTES = 0x4000_0000

/**
 * These requests have no flag to clear set-ID bits. The capability to keep them belongs, with rare exceptions, only to
 * root.
 */
function dropSetIdOfOthers(s: MountSession, r: Request, ino: number): void {
  if (r.uid !== 0) s.tree.dropSetId(ino, r)
}

/** COPY_FILE_RANGE and its 64-bit form; they differ in the reply. */
export function answerCopyRange(s: MountSession, r: Request, at: number): void {
  if (s.in.u64(at + COPY_IN.flags) !== 0) throw malformed()
  const from = {
    ino: r.nodeId,
    handle: readExact(s, at + COPY_IN.handleIn),
    offset: readExact(s, at + COPY_IN.offsetIn),
  }
  const to = {
    ino: readExact(s, at + COPY_IN.nodeIdOut),
    handle: readExact(s, at + COPY_IN.handleOut),
    offset: readExact(s, at + COPY_IN.offsetOut),
  }
  const length = Math.min(s.in.u64(at + COPY_IN.length), MAX_COPY_BYTES)
  dropSetIdOfOthers(s, r, to.ino)
  // What is copied now must be what a repeated copy finds.
  s.journal?.settled(from.ino)
  // If the copy is on disk and earlier writes were only in memory, the log could not replay in order. So those are
  // staged first.
  const staged = s.journal?.staged(to.ino)
  const copied =
    staged === undefined
      ? s.tree.copyRange(from, to, length, r)
      : staged.then(() => s.tree.copyRange(from, to, length, r))
  s.settle(r, copied, r.opcode === OP.COPY_FILE_RANGE_64 ? reply64 : replyWritten)
}
