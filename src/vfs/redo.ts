/**
 * The tree's part in replaying operations (src/fuse/holder): the commit they belong to, unstaged bytes, and the
 * original numbers and times. Also the state that a tree keeps for a mount it takes over: unlinked files that may be
 * open, and every assigned number.
 */
import type { Handles } from './inodes/handles.js'
import { unstagedTail, type FileContent } from './content/file-content.js'
import { PAGE_BYTES } from '../tree-state/index.js'
import type { Redo } from './tree.js'
import type { Inode } from './inodes/inode.js'
import type { InodeTable } from './inodes/inode-table.js'
import type { TreeState } from './inodes/tree-state.js'
import type { RemoteDirectories } from './namespace/remote-directory.js'
import type { Committer } from './staging/committer.js'

export interface RedoParts {
  readonly state: TreeState
  readonly inodes: InodeTable
  readonly remoteDirectories: RemoteDirectories
  readonly committer: Committer
}

/** @param onClosed takes an inode whose handle was closed */
export function createRedo(parts: RedoParts, handles: Handles, onClosed: (inode: Inode) => void): Redo {
  const { state, committer } = parts
  /** The next inode number, replayed operations not counted. */
  let nextIno = 0
  return {
    get sequence() {
      return state.sequence
    },
    get durable() {
      return state.durable
    },
    get isPending() {
      return committer.isPending
    },
    get stamp() {
      return state.lastStamp
    },
    keepNumbers() {
      parts.remoteDirectories.keepNumbers()
    },
    isHeld(ino, start, end) {
      const content = parts.inodes.cached(ino)?.content
      return content !== undefined && content.hasHeld && holds(content, start, end)
    },
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
    },
    end({ ino, handle }) {
      state.fixedStamp = undefined
      state.counters.nextIno = Math.max(nextIno, state.counters.nextIno, ino + 1)
      handles.next = Math.max(handles.next, handle + 1)
      // The kernel uses the numbers of handles it still has; those are adopted again then.
      for (const inode of handles.closeAdopted()) onClosed(inode)
    },
  }
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
