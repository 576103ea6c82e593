/**
 * The tree's part in replaying operations (src/fuse/holder): the commit they belong to, unstaged bytes, and the
 * original numbers and times. Also the state that a tree keeps for a mount it takes over: unlinked files that may be
 * open, and every assigned number.
 */
import { deferred, DriveError, isDriveError, type Deferred } from '../base/index.js'
import type { Handles } from './inodes/handles.js'
import { unstagedTail, type FileContent } from './content/file-content.js'
import { PAGE_BYTES } from '../tree-state/index.js'
import type { Slot } from './staging/slot.js'
import type { KeptPlace, Redo } from './redo-contract.js'
import type { Inode } from './inodes/inode.js'
import type { InodeTable } from './inodes/inode-table.js'
import type { TreeState } from './inodes/tree-state.js'
import { removeAbandoned } from './namespace/unnamed.js'
import type { RemoteDirectories } from './namespace/remote-directory.js'
import type { Committer } from './staging/committer.js'
import type { HeldMemory } from './staging/held-memory.js'
import type { SealQueue } from './staging/seal-queue.js'
import type { Room } from './staging/space.js'

export interface RedoParts {
  readonly state: TreeState
  readonly inodes: InodeTable
  readonly remoteDirectories: RemoteDirectories
  readonly committer: Committer
  readonly held: HeldMemory
  readonly sealing: SealQueue
  readonly room: Room
}

/** @param onClosed takes an inode whose handle was closed */
export function createRedo(parts: RedoParts, handles: Handles, onClosed: (inode: Inode) => void): Redo {
  const { state, committer } = parts
  /** The next inode number, replayed operations not counted. */
  let nextIno = 0
  const hasUnlogged = (): boolean => state.unlogged > state.durable
  let quiet: Deferred<void> | undefined
  let waiting = 0
  const redo: Redo = {
    get sequence() {
      return state.sequence
    },
    get durable() {
      return state.durable
    },
    get isPending() {
      return committer.isPending
    },
    get isLogged() {
      return state.isLogged
    },
    set isLogged(value) {
      state.isLogged = value
    },
    get hasUnlogged() {
      return hasUnlogged()
    },
    async commitUnlogged() {
      waiting++
      quiet ??= deferred<void>()
      try {
        do await committer.commit()
        while (hasUnlogged() && committer.isPending)
      } finally {
        // In the next turn: the program's change is made before others go on.
        setImmediate(() => {
          if (--waiting > 0) return
          quiet?.resolve()
          quiet = undefined
        })
      }
    },
    whenQuiet: () => quiet?.promise,
    get stamp() {
      return state.lastStamp
    },
    keepNumbers() {
      parts.remoteDirectories.keepNumbers()
    },
    isHeld(ino, start, end) {
      const content = parts.inodes.cache.peek(ino)?.content
      return content !== undefined && content.hasHeld && holds(content, start, end)
    },
    useBuffers: (kept) => parts.held.useKept(kept),
    placeOf(ino, start, data) {
      const content = parts.inodes.cache.peek(ino)?.content
      return content === undefined ? undefined : keptPlace(content, start, data)
    },
    settleBuffer(ino) {
      const inode = parts.inodes.cache.peek(ino)
      if (inode?.content?.tail?.slot?.kept !== undefined) parts.sealing.sealTail(inode)
    },
    restBuffers: (release) => parts.held.restKept(release),
    buffersFreed: () => parts.held.wake(),
    buffersFailed: (error) => parts.held.fail(asDriveError(error)),
    onGone: (listener) => parts.inodes.onGone(listener),
    forgetAll(inos) {
      for (const ino of inos) {
        const inode = parts.inodes.find(ino)
        if (inode !== undefined) parts.inodes.removeUnreferenced(inode)
      }
    },
    commit: () => committer.commit(),
    begin({ ino, handle, sec, nsec }) {
      nextIno = Math.max(nextIno, state.counters.nextIno)
      if (ino > 0) state.counters.nextIno = ino
      if (handle > 0) handles.next = handle
      state.fixedStamp = { sec, nsec }
      parts.room.isReplaying = true
    },
    end({ ino, handle }) {
      state.fixedStamp = undefined
      parts.room.isReplaying = false
      state.counters.nextIno = Math.max(nextIno, state.counters.nextIno, ino + 1)
      handles.next = Math.max(handles.next, handle + 1)
      // An inode without a name is removed when nobody has it open. The kernel uses the numbers of handles it still
      // has; those are adopted again then.
      for (const inode of handles.closeAdopted(({ nlink }) => nlink === 0)) onClosed(inode)
      // Only now: a program may have used one in the moment between getting its name and the commit.
      removeAbandoned(parts)
    },
  }
  state.commitUnlogged = () => redo.commitUnlogged()
  return redo
}

/** In the tail, or in the piece that the tail became when the write filled it. */
function keptPlace({ tail, pieces }: FileContent, start: number, data: Uint8Array): KeptPlace | undefined {
  const end = start + data.length
  if (tail?.slot !== undefined && start >= tail.start && end <= tail.start + tail.length)
    return placeIn(tail.slot, start - tail.start)
  const piece = pieces.at(-1)
  if (piece?.slot === undefined || start < piece.start || end > piece.start + piece.limit) return undefined
  // A write over a piece that is on its way lies in pages.
  const at = start - piece.start
  if (Buffer.compare(piece.data.subarray(at, at + data.length), data) !== 0) return undefined
  return placeIn(piece.slot, at)
}

const placeIn = ({ kept }: Slot, at: number): KeptPlace | undefined =>
  kept === undefined ? undefined : { buffer: kept, at }

function asDriveError(error: unknown): DriveError {
  return isDriveError(error) ? error : new DriveError('INTERNAL', 'A commit failed.', { cause: error })
}

function holds(content: FileContent, start: number, end: number): boolean {
  const { tail, pieces, heldPages } = content
  const meets = (from: number, to: number): boolean => from < end && start < to
  if (tail !== undefined && unstagedTail(tail) > 0) {
    if (meets(tail.start + tail.stagedLength, tail.start + tail.length)) return true
  }
  if (pieces.some((piece) => meets(piece.start, piece.start + piece.limit))) return true
  const first = Math.floor(start / PAGE_BYTES)
  const last = Math.ceil(end / PAGE_BYTES)
  if (last - first > heldPages.size) {
    for (const index of heldPages) if (index >= first && index < last) return true
    return false
  }
  for (let index = first; index < last; index++) if (heldPages.has(index)) return true
  return false
}
