/**
 * Keeps new inode numbers, and so file ids, below the number that a commit on disk has reserved. A kill then takes no
 * number back: the next start begins at that number.
 */
import { Wait } from '../maybe.js'
import { reserveInos } from './state-rows.js'
import type { TreeState } from './tree-state.js'

export interface InoParts {
  readonly state: TreeState
  readonly committer: { commit(): Promise<void>; begin(): void }
}

/** With fewer numbers left, a commit is started ahead of need; then again after each of this many numbers. */
const FEW = 32_768
const AGAIN_AFTER = 4096

/** The wait of an operation that takes a new number; undefined if there is one. While replaying, numbers are given. */
export function needsIno(parts: InoParts): Wait | undefined {
  const { state, committer } = parts
  const left = state.durableReservedIno - state.counters.nextIno
  if (left > FEW || state.fixedStamp !== undefined) return undefined
  if (left > 0 && left % AGAIN_AFTER !== 0) return undefined
  // Otherwise there may be nothing to commit: files that were removed again leave nothing.
  reserveInos(state)
  if (left <= 0) return new Wait(committer.commit())
  committer.begin()
  return undefined
}
