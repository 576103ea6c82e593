/** write(2): into the tail where the writer goes on sequentially, into pages elsewhere. */
import { DriveError, KIB } from '../../base/index.js'
import { PAGE_BYTES } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import { Wait } from '../maybe.js'
import type { Caller, Maybe } from '../tree.js'
import { stampChange, type Volume } from '../volume.js'
import { overlapsRows } from './rows.js'
import { closeContent, type FileContent } from './file-content.js'
import { contentOrWait } from './load-content.js'
import { writePages } from './pages.js'
import { closeTail } from '../staging/stage.js'
import { beginTail, beginTailFromInline, writeTail } from '../staging/tail.js'

export const MAX_FILE_BYTES = 2 ** 52
/** Overwriting in place as much at once begins a stream. */
const STREAM_BYTES = 128 * KIB
/** A hole up to this size at the end of a stream is written out as zeros. */
const GAP_BYTES = 4 * KIB
/** Rows waiting for a commit beyond it make writers wait. */
const MAX_PENDING_BYTES = 48 * 1024 * KIB
/** Rows beyond it begin a commit. */
const COMMITTED_FROM_BYTES = 12 * 1024 * KIB
const S_ISUID = 0o4000
const S_ISGID = 0o2000
const S_IXGRP = 0o010

/** Writes all of `data`; level reached: `held`. `data` is copied before anything is waited for. Throws NO_SPACE, FILE_TOO_LARGE. */
export function write(volume: Volume, inode: Inode, offset: number, data: Uint8Array, caller: Caller): Maybe<number> {
  if (data.length === 0) return 0
  if (offset + data.length > MAX_FILE_BYTES) throw new DriveError('FILE_TOO_LARGE', 'The file would become too large.')
  volume.room.require(volume.held.bytes + volume.meta.pendingBytes, data.length)
  const progress = { done: 0 }
  const wait = writeOrWait(volume, inode, offset, data, progress, caller)
  if (wait === undefined) return data.length
  return writeLater(volume, inode, offset, Uint8Array.prototype.slice.call(data), progress, caller, wait)
}

async function writeLater(
  volume: Volume,
  inode: Inode,
  offset: number,
  data: Uint8Array,
  progress: { done: number },
  caller: Caller,
  first: Wait,
): Promise<number> {
  inode.pins++
  try {
    for (let wait: Wait | undefined = first; wait !== undefined;) {
      await wait.until
      wait = writeOrWait(volume, inode, offset, data, progress, caller)
    }
    return data.length
  } finally {
    inode.pins--
    closeContent(volume, inode)
    volume.inodes.removeIfUnused(inode)
  }
}

/** Goes on from `progress`; what it did stays done when it has to wait. */
function writeOrWait(
  volume: Volume,
  inode: Inode,
  offset: number,
  data: Uint8Array,
  progress: { done: number },
  caller: Caller,
): Wait | undefined {
  const wait = volume.committer.whenWritable() ?? roomFor(volume, data.length - progress.done)
  if (wait !== undefined) return wait
  const content = contentOrWait(volume, inode, caller)
  if (content instanceof Wait) return content
  const before = progress.done
  let stopped: Wait | undefined
  while (progress.done < data.length && stopped === undefined) {
    const rest = progress.done === 0 ? data : data.subarray(progress.done)
    const taken = writeSome(volume, inode, content, offset + progress.done, rest)
    if (taken instanceof Wait) stopped = taken
    else progress.done += taken
  }
  if (progress.done > before) {
    clearSetId(inode, caller)
    stampChange(volume, inode, true)
    volume.held.account(inode)
  }
  return stopped
}

function roomFor(volume: Volume, bytes: number): Wait | undefined {
  const { held, meta } = volume
  if (meta.pendingBytes > COMMITTED_FROM_BYTES) volume.committer.begin()
  if (meta.pendingBytes > MAX_PENDING_BYTES) return new Wait(volume.committer.commit())
  if (held.hasRoom(bytes)) return undefined
  return new Wait(held.whenRoom())
}

function writeSome(
  volume: Volume,
  inode: Inode,
  content: FileContent,
  offset: number,
  data: Uint8Array,
): number | Wait {
  if (
    inode.inline !== undefined &&
    content.tail === undefined &&
    content.pieces.length === 0 &&
    content.pages.size === 0
  ) {
    beginTailFromInline(content, inode.inline)
  }
  const { tail } = content
  if (tail !== undefined) {
    const end = tail.start + tail.length
    const isNear = offset >= tail.start && (offset <= end || (end >= inode.size && offset - end <= GAP_BYTES))
    if (isNear) return writeTail(volume, inode, tail, offset, data)
  }
  if (beginsStream(inode, content, offset, data.length)) {
    const wait = closeTail(volume, inode, content)
    if (wait !== undefined) return wait
    return writeTail(volume, inode, beginTail(content, offset), offset, data)
  }
  if (!inode.fixedChunks && offset < inode.size && overlapsRows(content.rows, offset, offset + data.length)) {
    inode.fixedChunks = true
  }
  // Up to the tail only: what lies in the tail is changed there.
  const room = tail !== undefined && offset < tail.start ? tail.start - offset : data.length
  return writePages(volume, inode, content, offset, room < data.length ? data.subarray(0, room) : data)
}

function beginsStream(inode: Inode, content: FileContent, offset: number, length: number): boolean {
  if (offset >= inode.size || offset === content.streamEnd) return true
  return length >= STREAM_BYTES && offset % PAGE_BYTES === 0
}

/** As Linux does when someone without privilege writes. */
function clearSetId(inode: Inode, caller: Caller): void {
  if ((inode.mode & (S_ISUID | S_ISGID)) === 0 || caller.uid === 0) return
  inode.mode &= ~S_ISUID
  if ((inode.mode & S_IXGRP) !== 0) inode.mode &= ~S_ISGID
}
