/** write(2): sequential writes go into the tail, all others into pages. */
import { DriveError, KIB } from '../../base/index.js'
import { PAGE_BYTES } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import { Wait } from '../maybe.js'
import type { Caller, Maybe } from '../tree.js'
import { overlapsRows } from '../chunks/rows.js'
import { noteWritten } from './holes/data-blocks.js'
import type { FileContent } from './file-content.js'
import { contentOrWait, type LoadParts } from './load-content.js'
import { writePages } from './pages.js'
import { closeTail, type StageParts } from '../staging/stage.js'
import { beginTail, beginTailFromInline, writeTail } from '../staging/tail.js'
import type { Committer } from '../staging/committer.js'
import type { Room } from '../staging/space.js'
import type { Changes } from '../inodes/changes.js'

/** The parts that writing uses. */
export interface WriteParts extends StageParts, LoadParts {
  readonly state: StageParts['state']
  readonly inodes: StageParts['inodes']
  readonly committer: Committer
  readonly room: Room
  readonly changes: Changes
}

export const MAX_FILE_BYTES = 2 ** 52
/** An overwrite of at least this many bytes starts a stream. */
const STREAM_BYTES = 128 * KIB
/** Writers wait while more than this is pending for a commit. */
const MAX_PENDING_BYTES = 6 * 1024 * KIB
/** A commit starts when more than this is pending. */
const COMMITTED_FROM_BYTES = 2 * 1024 * KIB
/**
 * The same limit for held pages, which the next commit stages together. For each page a transaction touches one or two
 * places of LMDB's map, and the system maps 64 KiB there: a limit in pages is therefore a limit of memory.
 */
const MAX_HELD_PAGE_BYTES = 6 * 1024 * KIB
const PAGES_COMMITTED_FROM_BYTES = 2 * 1024 * KIB
const S_ISUID = 0o4000
const S_ISGID = 0o2000
const S_IXGRP = 0o010

/** Writes all of `data`; level reached: `held`. `data` is copied before any wait. Throws NO_SPACE, FILE_TOO_LARGE. */
export function write(
  parts: WriteParts,
  inode: Inode,
  offset: number,
  data: Uint8Array,
  caller: Caller,
): Maybe<number> {
  if (data.length === 0) return 0
  if (offset + data.length > MAX_FILE_BYTES) throw new DriveError('FILE_TOO_LARGE', 'The file would become too large.')
  if (!parts.room.isWritingBack) parts.room.require(parts.held.bytes + parts.state.pendingBytes, data.length)
  const job: Job = { inode, offset, data, caller, done: 0, hasWaited: false }
  const wait = writeOrWait(parts, job)
  if (wait === undefined) return data.length
  job.data = caller.keep?.(data) ?? Uint8Array.prototype.slice.call(data)
  return writeLater(parts, job, wait)
}

interface Job {
  readonly inode: Inode
  readonly offset: number
  data: Uint8Array
  readonly caller: Caller
  /** Bytes written so far; they stay written when the rest has to wait. */
  done: number
  /** Whether it has waited for a commit of held pages. Some of them may not be stageable, so it waits once. */
  hasWaited: boolean
}

async function writeLater(parts: WriteParts, job: Job, first: Wait): Promise<number> {
  const { inode } = job
  inode.pins++
  try {
    for (let wait: Wait | undefined = first; wait !== undefined;) {
      await wait.until
      wait = writeOrWait(parts, job)
    }
    return job.data.length
  } finally {
    inode.pins--
    parts.held.close(inode)
    parts.inodes.removeIfUnused(inode)
  }
}

/** Continues the job from its current position. */
function writeOrWait(parts: WriteParts, job: Job): Wait | undefined {
  const { inode, offset, data, caller } = job
  const wait = parts.committer.whenWritable() ?? roomFor(parts, job)
  if (wait !== undefined) return wait
  const content = contentOrWait(parts, inode, caller)
  if (content instanceof Wait) return content
  const before = job.done
  const sizeBefore = inode.size
  let stopped: Wait | undefined
  while (job.done < data.length && stopped === undefined) {
    const rest = job.done === 0 ? data : data.subarray(job.done)
    const taken = writeSome(parts, inode, content, offset + job.done, rest)
    if (taken instanceof Wait) stopped = taken
    else job.done += taken
  }
  if (job.done > before) {
    clearSetId(inode, caller)
    noteWritten(inode, content, sizeBefore, offset + before, offset + job.done)
    parts.inodes.stampChange(inode, true)
    parts.changes.changed(inode)
    parts.held.account(inode)
  }
  return stopped
}

function roomFor(parts: WriteParts, job: Job): Wait | undefined {
  const { held, state } = parts
  const { pageBytes } = held
  if (state.pendingBytes > COMMITTED_FROM_BYTES || pageBytes > PAGES_COMMITTED_FROM_BYTES) parts.committer.begin()
  if (state.pendingBytes > MAX_PENDING_BYTES) return new Wait(parts.committer.commit())
  if (pageBytes > MAX_HELD_PAGE_BYTES && !job.hasWaited) {
    job.hasWaited = true
    return new Wait(parts.committer.commit())
  }
  if (held.hasRoom(job.data.length - job.done)) return undefined
  return new Wait(held.whenRoom())
}

/** A file with this many out-of-order pages counts as written in place. */
const SCATTERED_PAGES = 64

function writeSome(
  parts: WriteParts,
  inode: Inode,
  content: FileContent,
  offset: number,
  data: Uint8Array,
): number | Wait {
  if (
    inode.inline !== undefined &&
    content.tail === undefined &&
    content.pieces.length === 0 &&
    content.pages.isEmpty
  ) {
    beginTailFromInline(content, inode.inline)
  }
  const { tail } = content
  if (tail !== undefined) {
    const end = tail.start + tail.length
    const isNear = offset >= tail.start && (offset <= end || (end >= inode.size && !hasWholeBlock(end, offset)))
    if (isNear) return writeTail(parts, inode, tail, offset, data)
  }
  if (beginsStream(inode, content, offset, data.length)) {
    const wait = closeTail(parts, inode, content)
    if (wait !== undefined) return wait
    return writeTail(parts, inode, beginTail(content, offset), offset, data)
  }
  if (!inode.fixedChunks && offset < inode.size) {
    // Without fixed chunks, scattered pages would become blocks of a few pages each.
    inode.fixedChunks =
      content.pages.count >= SCATTERED_PAGES || overlapsRows(content.rows, offset, offset + data.length)
  }
  // Only up to the tail; bytes in the tail are changed there.
  const room = tail !== undefined && offset < tail.start ? tail.start - offset : data.length
  return writePages(parts, inode, offset, room < data.length ? data.subarray(0, room) : data)
}

/**
 * Whether the gap contains a hole that lseek and stat report. A smaller gap at the end of a stream is written as zeros.
 */
function hasWholeBlock(from: number, to: number): boolean {
  return Math.floor(to / PAGE_BYTES) > Math.ceil(from / PAGE_BYTES)
}

function beginsStream(inode: Inode, content: FileContent, offset: number, length: number): boolean {
  if (offset >= inode.size || offset === content.streamEnd) return true
  return length >= STREAM_BYTES && offset % PAGE_BYTES === 0
}

/** As Linux does for a write by an unprivileged user. */
function clearSetId(inode: Inode, caller: Caller): void {
  if ((inode.mode & (S_ISUID | S_ISGID)) === 0 || caller.uid === 0) return
  inode.mode &= ~S_ISUID
  if ((inode.mode & S_IXGRP) !== 0) inode.mode &= ~S_ISGID
}
