/**
 * Counts the repairs in a row after which the node gave nothing good back. After a few of them the scrub stops sending:
 * such a node damages whatever it is given. The count is durable, and belongs to one node.
 */
import { equalBytes } from '../../base/index.js'
import type { SyncState } from '../state/sync-state.js'

const MOST_FRUITLESS = 3

type State = Pick<SyncState, 'head' | 'holder' | 'repairs' | 'put'>

/** Whether the scrub sends nothing to this node any more. A repair by hand tries again. */
export function isNodeUseless(state: Pick<State, 'holder' | 'repairs'>): boolean {
  const { repairs, holder } = state
  return repairs !== undefined && repairs.node === holder && repairs.fruitless >= MOST_FRUITLESS
}

/** Call it before blocks are resealed: another repair is necessary. */
export function beginRound(state: State): void {
  const { head, holder: node, repairs } = state
  if (head === undefined) return
  const before = repairs?.node === node ? repairs : undefined
  if (before !== undefined && equalBytes(before.root, head.root)) return
  const fruitless = before === undefined ? 0 : before.fruitless + 1
  state.put('repairs', { node, fruitless, root: head.root })
}

/** The node gave a repaired block back, or has no damaged one, or somebody repairs by hand. */
export function forgetRounds(state: Pick<State, 'repairs' | 'put'>): void {
  if (state.repairs !== undefined) state.put('repairs', undefined)
}
