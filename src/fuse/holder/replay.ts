/**
 * Carries out again what a killed daemon had answered and not staged, with the numbers and times it gave, through the
 * same operations. Afterwards the tree is as programs saw it, and the last answer is known in case the kernel never got
 * it.
 */
import type { Log } from '../../base/index.js'
import type { Redo, Tree } from '../../vfs/index.js'
import { ERRNO } from '../protocol/errno.js'
import { COPY_IN, HEADER, OP, REQUEST_HEADER_BYTES } from '../protocol/protocol.js'
import { dispatch } from '../operations/dispatch.js'
import { MountSession } from '../operations/session.js'
import { Words } from '../protocol/words.js'
import { changesContent, isByName } from './journaled.js'
import { RedoLog, type RedoEntry } from './redo-log.js'
import type { SharedState } from './shared-state.js'

const OUT_BYTES = 64 * 1024

export interface Replayed {
  readonly done: number
  /** Where it stopped. */
  readonly failure: ReplayFailure | undefined
}

export interface ReplayFailure {
  readonly opcode: number
  readonly errno: number
  readonly ino: number
  /** Entries from this one on, which were not replayed and are in the log as before. */
  readonly left: number
}

/** In place of the number of a commit. */
const UNDONE = Infinity

/**
 * Notes which operations no commit has, before the next commit is made: its number would say nothing of them.
 * @param durable the newest commit of the daemon before
 */
export function markUndone(state: SharedState, durable: number): void {
  const journal = new RedoLog(state)
  for (const entry of journal.entries()) if (entry.sequence > durable) journal.setSequence(entry, UNDONE)
}

/**
 * After `markUndone`. It stops at an operation that fails for another reason than what later ones left on disk: those
 * after it may rely on it, as the removal of a file does on its copy. The mount cannot go on then.
 */
export async function replay(state: SharedState, tree: Tree, redo: Redo, log: Log): Promise<Replayed> {
  const journal = new RedoLog(state)
  let failure: ReplayFailure | undefined
  /** The kernel had forgotten them. */
  const gone: number[] = []
  let done = 0
  const entries = [...journal.entries()].filter((entry) => !isByName(entry.request) || entry.sequence === UNDONE)
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
      redo.begin(isCopy(opcode) ? { ...entry, handle: 0 } : entry)
      const reply = await player.play(journal.wholeRequest(entry))
      const errno = -reply.readInt32LE(4)
      if (errno !== 0 && !isOutdated(entry, errno)) {
        failure = { opcode, errno, ino, left: entries.length - index }
        break
      }
      journal.setSequence(entry, redo.sequence)
      done++
    }
  } finally {
    player.close()
    redo.end({ ino: state.highestIno, handle: state.highestHandle })
    redo.forgetAll(gone)
  }
  return { done, failure }
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
    // What was open then is opened by number again when the kernel names it.
    close: () => session.releaseHandles(),
  }
}

/** Whether an operation on an inode failed only because the tree on disk is further than it. */
function isOutdated({ request, sequence }: RedoEntry, errno: number): boolean {
  if (isByName(request)) return false
  // Removed later. Whoever has it open gets this error from each call, and so learns of it in any case.
  if (errno === ERRNO.ESTALE) return true
  const opcode = request.readUInt32LE(HEADER.opcode)
  if (sequence === UNDONE || (opcode !== OP.SETXATTR && opcode !== OP.REMOVEXATTR)) return false
  // It is there or gone already, or beside later ones it is too long.
  return errno === ERRNO.EEXIST || errno === ERRNO.ENODATA || errno === ERRNO.ENOSPC
}

/**
 * Where the last copy into each file lies that is on disk: nothing written before it was only in memory
 * (Journal.staged).
 */
function durableCopies(journal: RedoLog): Map<number, number> {
  const found = new Map<number, number>()
  for (const { request, sequence, position } of journal.entries()) {
    const opcode = request.readUInt32LE(HEADER.opcode)
    if (!isCopy(opcode) || sequence === UNDONE) continue
    found.set(Number(request.readBigUInt64LE(REQUEST_HEADER_BYTES + COPY_IN.nodeIdOut)), position)
  }
  return found
}

const isCopy = (opcode: number): boolean => opcode === OP.COPY_FILE_RANGE || opcode === OP.COPY_FILE_RANGE_64
