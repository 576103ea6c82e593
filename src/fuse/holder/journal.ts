/**
 * Keeps the log of one mount: every operation goes into it before the kernel hears that it was done, and out of it when
 * it is durable. Where the log is full, operations wait until it is not.
 */
import { KIB, MIB } from '../../base/index.js'
import { OPEN, type KeptPlace, type Redo, type Tree } from '../../vfs/index.js'
import { HEADER, OP, REQUEST_HEADER_BYTES, WRITE_IN } from '../protocol/protocol.js'
import { LOG_BYTES, type SharedState } from './shared-state.js'
import { entryBytes, RedoLog } from './redo-log.js'

const TRIM_MS = 200
/** A fuller log asks for a commit. */
const COMMITTED_FROM_BYTES = LOG_BYTES / 2
const MOST_TRIMS = 64
/** Smaller writes are copied: that costs little beside the rest of a request. */
const KEPT_FROM_BYTES = 16 * KIB
/** A write of the most bytes the kernel sends at once, and its headers. */
const LARGEST_ENTRY_BYTES = MIB + 8192
/** An empty log gives its memory back after so many trims, but for the beginning, where it goes on. */
const RESTING_TRIMS = 25
export const KEPT_LOG_BYTES = MIB

export interface Journal {
  readonly state: SharedState
  hasRoom(requestBytes: number): boolean
  /** For an answer that takes time: there is room for it when it comes. @returns what to give back with `unreserve` */
  reserve(requestBytes: number): number
  unreserve(reservedBytes: number): void
  /** All that was sent again after a take-over has come: what was logged before may go when it is on disk. */
  goOn(): void
  /** One after the other; rejects with what keeps the tree from being staged. */
  whenRoom(requestBytes: number): Promise<void>
  /** The request was carried out and is about to be answered. */
  record(request: Uint8Array, ino: number, handle: number): void
  /** The kernel has forgotten something: what left for it is logged. */
  forgotten(): void
  /** What was written to the file so far stays where the log says it is. */
  settled(ino: number): void
  /** Undefined when no byte of the file is in memory only; otherwise when they are on disk. */
  staged(ino: number): Promise<void> | undefined
  close(): void
}

const NOTHING_GIVEN = { ino: 0, handle: 0, sec: 0, nsec: 0 } as const

/** In the log it says that the kernel refers to this inode no more. */
function forgetOf(ino: number): Buffer {
  const request = Buffer.alloc(REQUEST_HEADER_BYTES)
  request.writeUInt32LE(REQUEST_HEADER_BYTES, HEADER.length)
  request.writeUInt32LE(OP.FORGET, HEADER.opcode)
  request.writeBigUInt64LE(BigInt(ino), HEADER.nodeId)
  return request
}

const NOBODY = { uid: 0, gid: 0, pid: 0, signal: new AbortController().signal }

/** How a journal is opened. */
export interface JournalOptions {
  /** Gives the memory of the log back, but for its first KEPT_LOG_BYTES. */
  readonly rest: () => void
  /** Gives the memory of a buffer back. */
  readonly restBuffer?: (buffer: number) => void
  /** Requests will be sent again: the log keeps their answers until `goOn`. Default false. */
  readonly isTakenOver?: boolean
  /** Of the shared memory, for streams; absent: the log copies all that is written. */
  readonly buffers?: readonly Uint8Array[] | undefined
}

/** Opens the journal of a mount, whose log may have entries already. */
export function createJournal(
  state: SharedState,
  tree: Pick<Tree, 'sync' | 'syncAll'>,
  redo: Redo,
  options: JournalOptions,
): Journal {
  const { rest, restBuffer = () => undefined, isTakenOver = false, buffers } = options
  const log = new RedoLog(state)
  redo.keepNumbers()
  /** What left since the last entry; noted behind the operation that made it leave. */
  let gone: number[] = []
  redo.onGone((ino) => gone.push(ino))
  const noteGone = (): void => {
    for (const ino of gone) {
      const request = forgetOf(ino)
      if (log.hasRoom(request.length, promised())) log.append(request, { ...NOTHING_GIVEN, sequence: redo.sequence })
    }
    gone = []
  }
  let last: Promise<void> = Promise.resolve()
  let isCommitAsked = false

  const trim = (): void => {
    for (let i = 0; i < MOST_TRIMS; i++) {
      const before = state.tail
      log.trim(redo)
      if (state.tail === before) return
    }
  }
  let hasGrown = false
  let emptyTrims = 0
  let isHoldingOn = isTakenOver
  let reserved = 0
  const onUnreserved: (() => void)[] = []
  /** What does not fit at the end of the ring begins at its beginning, and leaves a gap. */
  const promised = (): number => (reserved === 0 ? 0 : reserved + LARGEST_ENTRY_BYTES)
  const tick = (): void => {
    if (isHoldingOn) return
    trim()
    emptyTrims = log.usedBytes === 0 ? emptyTrims + 1 : 0
    if (!hasGrown || emptyTrims < RESTING_TRIMS) return
    hasGrown = false
    rest()
    redo.restBuffers(restBuffer)
  }
  const timer = setInterval(tick, TRIM_MS)
  timer.unref()

  let isClosed = false
  let isBufferWanted = false
  /** Buffers come free when what lies in them is staged and a commit after that is on disk: two of them at most. */
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

  /** Where the bytes of a large write lie, when they lie in one buffer. */
  const keptPlace = (request: Uint8Array): KeptPlace | undefined => {
    if (buffers === undefined || request.length < KEPT_FROM_BYTES) return undefined
    const head = Buffer.from(request.buffer, request.byteOffset, REQUEST_HEADER_BYTES + WRITE_IN.bytes)
    if (head.readUInt32LE(HEADER.opcode) !== OP.WRITE) return undefined
    // Where an append went is not in the request.
    if ((head.readUInt32LE(REQUEST_HEADER_BYTES + WRITE_IN.flags) & OPEN.APPEND) !== 0) return undefined
    const start = Number(head.readBigUInt64LE(REQUEST_HEADER_BYTES + WRITE_IN.offset))
    const size = head.readUInt32LE(REQUEST_HEADER_BYTES + WRITE_IN.size)
    const data = request.subarray(head.length, head.length + size)
    return redo.placeOf(Number(head.readBigUInt64LE(HEADER.nodeId)), start, data)
  }

  const makeRoom = async (requestBytes: number): Promise<void> => {
    trim()
    if (log.hasRoom(requestBytes, promised())) return
    await redo.commit()
    trim()
    while (!log.hasRoom(requestBytes, promised())) {
      // What others have reserved comes free with their answers only.
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
    hasRoom: (requestBytes) => log.hasRoom(requestBytes, promised()),
    reserve(requestBytes) {
      const bytes = entryBytes(requestBytes)
      reserved += bytes
      return bytes
    },
    unreserve(bytes) {
      reserved -= bytes
      if (bytes > 0) for (const wake of onUnreserved.splice(0)) wake()
    },
    goOn() {
      isHoldingOn = false
    },
    whenRoom(requestBytes) {
      const run = last.then(() => makeRoom(requestBytes))
      last = run.catch(() => undefined) // told to whoever waits
      return run
    },
    record(request, ino, handle) {
      const { sec, nsec } = redo.stamp
      const place = keptPlace(request)
      log.append(request, { sequence: redo.sequence, ino, handle, sec, nsec }, place)
      if (place !== undefined) hasGrown = true
      noteGone()
      if (ino > 0) state.noteIno(ino)
      if (log.usedBytes > KEPT_LOG_BYTES) hasGrown = true
      if (isCommitAsked || (log.usedBytes < COMMITTED_FROM_BYTES && !hasFewBuffers())) return
      isCommitAsked = true
      const done = (): void => {
        if (!isHoldingOn) trim()
        isCommitAsked = false
      }
      redo.commit().then(done, done) // a failure is in the tree's own status
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
