/**
 * The redo log of one mount. Every change is logged before the kernel gets the answer, and its entry is trimmed once
 * the change is durable. While the log is full, changes wait.
 */
import { KIB, MIB } from '../../base/index.js'
import type { KeptPlace, Redo, Tree } from '../../vfs/index.js'
import { HEADER, OP, REQUEST_HEADER_BYTES, WRITE_IN } from '../protocol/protocol.js'
import { LOG_BYTES, type SharedState } from './shared-state.js'
import type { LogMark } from './log-mark.js'
import { entryBytes, RedoLog } from './redo-log.js'

const TRIM_MS = 200
/** From this fill level on, the log requests a commit. */
const COMMITTED_FROM_BYTES = LOG_BYTES / 2
const MOST_TRIMS = 64
/** Smaller writes are copied: the copy costs little compared with the rest of the request. */
const KEPT_FROM_BYTES = 16 * KIB
/** The largest write that the kernel sends, with its headers. */
const LARGEST_ENTRY_BYTES = MIB + 8192
/**
 * After this many trims of an empty log, its memory is released, except for the start of the ring, which is used next.
 */
const RESTING_TRIMS = 25
export const KEPT_LOG_BYTES = MIB

export interface Journal {
  readonly state: SharedState
  /** Makes a change that is logged, or begins it. */
  make(change: () => void): void
  /** Whether a change may be made now: the log has room, and everything that it may depend on is logged or on disk. */
  isReady(requestBytes: number): boolean
  /**
   * Reserves room for a change whose answer takes time.
   * @returns the bytes to pass to `unreserve`
   */
  reserve(requestBytes: number): number
  unreserve(reservedBytes: number): void
  /**
   * All requests that the kernel resent after a take-over have arrived: entries may be trimmed once they are durable.
   */
  allResent(): void
  /** Waiters are served in order. Rejects if the tree cannot be staged. */
  whenReady(requestBytes: number): Promise<void>
  /** Logs a request that was executed and is about to be answered. */
  record(request: Uint8Array, ino: number, handle: number): void
  /** Logs the inodes that were freed because the kernel forgot them. */
  forgotten(): void
  /** Moves the buffer of a stream on, so that bytes already logged as a reference stay in place. */
  settled(ino: number): void
  /** Undefined if no bytes of the file are only in memory; otherwise resolves when they are on disk. */
  staged(ino: number): Promise<void> | undefined
  close(): void
}

const TWO_32 = 4_294_967_296

const FORGET = Buffer.alloc(REQUEST_HEADER_BYTES)
FORGET.writeUInt32LE(REQUEST_HEADER_BYTES, HEADER.length)
FORGET.writeUInt32LE(OP.FORGET, HEADER.opcode)

/** A log entry saying that the kernel no longer refers to this inode. Valid until the next call. */
function forgetOf(ino: number): Buffer {
  FORGET.writeUInt32LE(ino >>> 0, HEADER.nodeId)
  FORGET.writeUInt32LE(Math.floor(ino / TWO_32), HEADER.nodeId + 4)
  return FORGET
}

const NOBODY = { uid: 0, gid: 0, pid: 0, signal: new AbortController().signal }

export interface JournalOptions {
  /** Releases the memory of the log, except for its first KEPT_LOG_BYTES. */
  readonly releaseMemory: () => void
  /** Releases the memory of a buffer. */
  readonly releaseBuffer?: (buffer: number) => void
  /** Whether requests will be resent: the log keeps their answers until `allResent`. Default false. */
  readonly isTakenOver?: boolean
  /** Buffers of the shared memory, for streams. Without them, the log copies everything that is written. */
  readonly buffers?: readonly Uint8Array[] | undefined
  /** Says on disk whether the log has operations that are not there. */
  readonly mark?: LogMark | undefined
}

/** Opens the journal of a mount. Its log may already have entries. */
export function createJournal(
  state: SharedState,
  tree: Pick<Tree, 'sync' | 'syncAll'>,
  redo: Redo,
  options: JournalOptions,
): Journal {
  const { releaseMemory, releaseBuffer = () => undefined, isTakenOver = false, buffers, mark } = options
  const log = new RedoLog(state)
  redo.keepNumbers()
  /** Inodes freed since the last entry; logged after the operation that freed them. */
  let gone: number[] = []
  redo.onGone((ino) => gone.push(ino))
  const noteGone = (): void => {
    if (gone.length === 0) return
    const result = { sequence: redo.sequence, ino: 0, handle: 0, sec: 0, nsec: 0 }
    for (const ino of gone) if (log.hasRoom(REQUEST_HEADER_BYTES, promised())) log.append(forgetOf(ino), result)
    gone = []
  }
  let last: Promise<void> = Promise.resolve()
  let isCommitAsked = false

  const trim = (): void => {
    for (let i = 0; i < MOST_TRIMS; i++) {
      const before = state.tail
      log.trim(redo)
      if (state.tail === before) break
    }
    log.goBack(promised())
  }
  let hasGrown = false
  let emptyTrims = 0
  let keepsAnswers = isTakenOver
  let reserved = 0
  const onUnreserved: (() => void)[] = []
  /** An entry that does not fit at the end of the ring starts at its beginning and leaves a gap. */
  const promised = (): number => (reserved === 0 ? 0 : reserved + LARGEST_ENTRY_BYTES)
  const tick = (): void => {
    if (keepsAnswers) return
    trim()
    mark?.trimmed(state)
    emptyTrims = log.usedBytes === 0 ? emptyTrims + 1 : 0
    if (!hasGrown || emptyTrims < RESTING_TRIMS) return
    hasGrown = false
    releaseMemory()
    redo.restBuffers(releaseBuffer)
  }
  const timer = setInterval(tick, TRIM_MS)
  timer.unref()

  let isClosed = false
  let isBufferWanted = false
  /** A buffer is free once its bytes are staged and a later commit is durable. This takes at most two commits. */
  const freeBuffers = async (): Promise<void> => {
    try {
      trim()
      await redo.commit()
      trim()
      redo.buffersFreed()
    } catch (error) {
      redo.buffersFailed(error)
    } finally {
      isBufferWanted = false
    }
  }
  const wanted = (): void => {
    if (isBufferWanted) return
    isBufferWanted = true
    void freeBuffers()
  }
  if (buffers !== undefined) redo.useBuffers({ buffers, isFree: (buffer) => isClosed || !log.refersTo(buffer), wanted })

  /** The place of a large write's bytes, if they lie in one buffer. */
  const keptPlace = (request: Uint8Array): KeptPlace | undefined => {
    if (buffers === undefined || request.length < KEPT_FROM_BYTES) return undefined
    const head = Buffer.from(request.buffer, request.byteOffset, REQUEST_HEADER_BYTES + WRITE_IN.bytes)
    if (head.readUInt32LE(HEADER.opcode) !== OP.WRITE) return undefined
    const start = Number(head.readBigUInt64LE(REQUEST_HEADER_BYTES + WRITE_IN.offset))
    const size = head.readUInt32LE(REQUEST_HEADER_BYTES + WRITE_IN.size)
    const data = request.subarray(head.length, head.length + size)
    return redo.placeOf(Number(head.readBigUInt64LE(HEADER.nodeId)), start, data)
  }

  const makeReady = async (requestBytes: number): Promise<void> => {
    if (redo.hasUnlogged) await redo.commitUnlogged()
    trim()
    if (log.hasRoom(requestBytes, promised())) return
    await redo.commit()
    trim()
    while (!log.hasRoom(requestBytes, promised())) {
      // Bytes reserved by others are freed only by their answers.
      if (log.usedBytes === 0 && reserved > 0) await new Promise<void>((resolve) => onUnreserved.push(resolve))
      else await tree.syncAll(NOBODY)
      trim()
    }
  }

  const hasFewBuffers = (): boolean => {
    if (buffers === undefined) return false
    let free = 0
    for (let i = 0; i < buffers.length; i++) if (!log.refersTo(i)) free++
    return free <= buffers.length / 8
  }

  return {
    state,
    make(change) {
      redo.isLogged = true
      try {
        change()
      } finally {
        redo.isLogged = false
      }
    },
    isReady: (requestBytes) => !redo.hasUnlogged && log.hasRoom(requestBytes, promised()),
    reserve(requestBytes) {
      const bytes = entryBytes(requestBytes)
      reserved += bytes
      return bytes
    },
    unreserve(bytes) {
      reserved -= bytes
      if (bytes > 0) for (const wake of onUnreserved.splice(0)) wake()
    },
    allResent() {
      keepsAnswers = false
    },
    whenReady(requestBytes) {
      const run = last.then(() => makeReady(requestBytes))
      last = run.catch(() => undefined) // the waiter gets the error
      return run
    },
    record(request, ino, handle) {
      mark?.logged()
      const { sec, nsec } = redo.stamp
      const place = keptPlace(request)
      log.append(request, { sequence: redo.sequence, ino, handle, sec, nsec }, place)
      if (place !== undefined) hasGrown = true
      noteGone()
      if (ino > 0) state.noteIno(ino)
      if (log.entriesBytes > KEPT_LOG_BYTES) hasGrown = true
      if (isCommitAsked || (log.entriesBytes < COMMITTED_FROM_BYTES && !hasFewBuffers())) return
      isCommitAsked = true
      const done = (): void => {
        if (!keepsAnswers) trim()
        isCommitAsked = false
      }
      redo.commit().then(done, done) // a failure is in the tree's status
    },
    staged(ino) {
      if (!redo.isHeld(ino, 0, Infinity)) return undefined
      return Promise.resolve(tree.sync(ino, true, NOBODY))
    },
    forgotten: noteGone,
    settled: (ino) => redo.settleBuffer(ino),
    close() {
      clearInterval(timer)
      isClosed = true
      redo.onGone(() => undefined)
    },
  }
}
