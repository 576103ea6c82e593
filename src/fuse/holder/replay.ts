/**
 * Replays operations that a killed daemon answered and did not stage. It uses the same code, numbers and timestamps.
 * Afterwards the tree is as programs saw it, and the last answers are known in case the kernel resends their requests.
 */
import type { Log } from '../../base/index.js'
import type { Redo, Tree } from '../../vfs/index.js'
import { ERRNO } from '../protocol/errno.js'
import { COPY_IN, HEADER, OP, operationName, REQUEST_HEADER_BYTES } from '../protocol/protocol.js'
import { dispatch } from '../operations/dispatch.js'
import { MountSession } from '../operations/session.js'
import { Words } from '../protocol/words.js'
import { changesContent, isByName } from './journaled.js'
import { RedoLog, SKIPPED, type RedoEntry } from './redo-log.js'
import { ReplayTries } from './replay-tries.js'
import type { SharedState } from './shared-state.js'

const OUT_BYTES = 64 * 1024

export interface Replayed {
  readonly done: number
  /** The operation at which it stopped. */
  readonly failure: ReplayFailure | undefined
}

export interface ReplayFailure {
  readonly opcode: number
  readonly errno: number
  readonly ino: number
  /** Number of entries that were not replayed, including this one. They stay in the log. */
  readonly left: number
}

/** An operation that is not replayed although no commit has it. */
export interface SkippedOperation {
  /** As the protocol calls it. */
  readonly what: string
  /** The inode that it changed; for a change of a name, the directory. */
  readonly ino: number
}

/** Records lost operations; durable when it resolves. @param total with those that `first` leaves out */
export type NoteSkipped = (first: readonly SkippedOperation[], total: number) => Promise<void>

/** What a replay tells, and asks for. */
export interface ReplayHelp {
  readonly onSkipped?: NoteSkipped | undefined
  /**
   * An operation needs space, and the disk is full. Resolves when it is worth another try. @returns false if the
   * operations are given up. Without it, an operation without space fails.
   */
  readonly untilSpace?: (() => Promise<boolean>) | undefined
}

/** Operations that are named when many are skipped. */
const MOST_NAMED = 8

/** In place of a commit sequence: no commit contains the operation. */
const NOT_COMMITTED = Infinity

/**
 * Marks the operations that no commit contains. Runs before the next commit, whose sequence would make them look
 * durable.
 * @param durable the newest durable commit of the previous daemon
 */
export function markUncommitted(state: SharedState, durable: number): void {
  const journal = new RedoLog(state)
  for (const entry of journal.entries()) if (entry.sequence > durable) journal.setSequence(entry, NOT_COMMITTED)
}

/**
 * Runs after `markUncommitted`. It stops at the first operation that fails, unless the failure is caused by the effects
 * of later operations that are already on disk. Operations after it may depend on it, like the removal of a file
 * depends on its copy. The mount then cannot continue.
 *
 * An operation that ends the drive thread each time is skipped, and so are later ones that fail without it.
 */
export async function replay(
  state: SharedState,
  tree: Tree,
  redo: Redo,
  log: Log,
  { onSkipped = () => Promise.resolve(), untilSpace }: ReplayHelp = {},
): Promise<Replayed> {
  const journal = new RedoLog(state)
  const tries = new ReplayTries(state.replayTries, process.pid)
  let isIncomplete = [...journal.entries()].some(({ sequence }) => sequence === SKIPPED)
  const failed: RedoEntry[] = []
  let failure: ReplayFailure | undefined
  /** Inodes that the kernel had forgotten. */
  const gone: number[] = []
  let done = 0
  const entries = [...journal.entries()].filter(isReplayed)
  const copiedTo = durableCopies(journal)
  const player = createPlayer(tree, state, log)
  try {
    for (const [index, entry] of entries.entries()) {
      const opcode = entry.request.readUInt32LE(HEADER.opcode)
      const ino = Number(entry.request.readBigUInt64LE(HEADER.nodeId))
      if (opcode === OP.FORGET) {
        gone.push(ino)
        continue
      }
      if ((copiedTo.get(ino) ?? -1) > entry.position && changesContent(entry.request)) continue
      if (tries.skips(entry.position)) {
        await onSkipped([named(entry)], 1)
        journal.setSequence(entry, SKIPPED)
        isIncomplete = true
        continue
      }
      redo.begin(isCopy(opcode) ? { ...entry, handle: 0 } : entry)
      const play = async (): Promise<number> => -(await player.play(journal.wholeRequest(entry))).readInt32LE(4)
      let errno = await play()
      // An operation that fails has changed nothing.
      while (isFull(errno) && !isOutdated(entry, errno) && (await untilSpace?.()) === true) errno = await play()
      if (errno !== 0 && isIncomplete && !isOutdated(entry, errno)) {
        failed.push(entry)
        continue
      }
      if (errno !== 0 && !isOutdated(entry, errno)) {
        failure = { opcode, errno, ino, left: entries.length - index }
        break
      }
      // A change that a commit contained stays one, so that the next replay accepts its effects on disk too.
      if (entry.sequence === NOT_COMMITTED) journal.setSequence(entry, redo.sequence)
      done++
    }
    if (failed.length > 0) await onSkipped(failed.slice(0, MOST_NAMED).map(named), failed.length)
    for (const entry of failed) journal.setSequence(entry, SKIPPED)
    tries.done()
  } finally {
    player.close()
    redo.end({ ino: state.highestIno, handle: state.highestHandle })
    redo.forgetAll(gone)
  }
  return { done, failure }
}

const isFull = (errno: number): boolean => errno === ERRNO.ENOSPC || errno === ERRNO.EDQUOT

function isReplayed({ request, sequence }: RedoEntry): boolean {
  return sequence !== SKIPPED && (!isByName(request) || sequence === NOT_COMMITTED)
}

function named({ request }: RedoEntry): SkippedOperation {
  return {
    what: operationName(request.readUInt32LE(HEADER.opcode)),
    ino: Number(request.readBigUInt64LE(HEADER.nodeId)),
  }
}

function createPlayer(
  tree: Tree,
  state: SharedState,
  log: Log,
): { play(request: Buffer): Promise<Buffer>; close(): void } {
  const out = new Words(new ArrayBuffer(OUT_BYTES), 0, OUT_BYTES)
  let answer: (reply: Buffer) => void = () => {}
  const sink = {
    reply(length: number) {
      answer(Buffer.from(out.bytes.subarray(0, length)))
      return 0
    },
    replyWith(headLength: number, segments: readonly Uint8Array[]) {
      answer(Buffer.concat([out.bytes.subarray(0, headLength), ...segments]))
      return 0
    },
  }
  const session = new MountSession(
    tree,
    { in: out, out, sink },
    { writeback: false, checksPermissions: false, requestTimeoutSeconds: 0 },
    log,
  )
  session.takeOver(state.negotiated)
  return {
    play: (request) =>
      new Promise((resolve) => {
        answer = resolve
        session.dispatchCopy(request, dispatch)
      }),
    // Files that were open are reopened when the kernel uses their handle numbers.
    close: () => session.releaseHandles(),
  }
}

/** Whether an operation on an inode failed only because the tree on disk is newer. */
function isOutdated({ request, sequence }: RedoEntry, errno: number): boolean {
  if (isByName(request)) return false
  // The inode was removed later. A program that has it open gets this error from each call anyway.
  if (errno === ERRNO.ESTALE) return true
  const opcode = request.readUInt32LE(HEADER.opcode)
  if (sequence === NOT_COMMITTED || (opcode !== OP.SETXATTR && opcode !== OP.REMOVEXATTR)) return false
  // The attribute already exists or is already removed, or it does not fit beside later ones.
  return errno === ERRNO.EEXIST || errno === ERRNO.ENODATA || errno === ERRNO.ENOSPC
}

/**
 * Position of the last durable copy into each file. Before a copy, all earlier writes to the file were staged
 * (Journal.staged).
 */
function durableCopies(journal: RedoLog): Map<number, number> {
  const found = new Map<number, number>()
  for (const { request, sequence, position } of journal.entries()) {
    const opcode = request.readUInt32LE(HEADER.opcode)
    if (!isCopy(opcode) || sequence === NOT_COMMITTED || sequence === SKIPPED) continue
    found.set(Number(request.readBigUInt64LE(REQUEST_HEADER_BYTES + COPY_IN.nodeIdOut)), position)
  }
  return found
}

const isCopy = (opcode: number): boolean => opcode === OP.COPY_FILE_RANGE || opcode === OP.COPY_FILE_RANGE_64
