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
import { RedoLog } from './redo-log.js'
import type { SharedState } from './shared-state.js'

const OUT_BYTES = 64 * 1024

export interface Replayed {
  readonly done: number
  /** Operations that could not be done again, as opcode and error number. */
  readonly failed: readonly { readonly opcode: number; readonly errno: number; readonly ino: number }[]
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

/** After `markUndone`. */
export async function replay(state: SharedState, tree: Tree, redo: Redo, log: Log): Promise<Replayed> {
  const journal = new RedoLog(state)
  const failed: { opcode: number; errno: number; ino: number }[] = []
  /** The kernel had forgotten them. */
  const gone: number[] = []
  let done = 0
  const entries = [...journal.entries()].filter((entry) => !isByName(entry.request) || entry.sequence === UNDONE)
  const copiedTo = durableCopies(journal)
  const player = createPlayer(tree, state, log)
  try {
    for (const entry of entries) {
      const opcode = entry.request.readUInt32LE(HEADER.opcode)
      const ino = Number(entry.request.readBigUInt64LE(HEADER.nodeId))
      if (opcode === OP.FORGET) {
        gone.push(ino)
        continue
      }
      if ((copiedTo.get(ino) ?? -1) > entry.position && changesContent(entry.request)) continue
      redo.begin(isCopy(opcode) ? { ...entry, handle: 0 } : entry)
      const reply = await player.play(journal.wholeRequest(entry))
      journal.setSequence(entry, redo.sequence)
      const errno = -reply.readInt32LE(4)
      // What is gone was removed later, and that is on disk.
      if (errno === 0 || (errno === ERRNO.ESTALE && !isByName(entry.request))) done++
      else failed.push({ opcode, errno, ino })
    }
  } finally {
    player.close()
    redo.end({ ino: state.highestIno, handle: state.highestHandle })
    redo.forgetAll(gone)
  }
  return { done, failed }
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
