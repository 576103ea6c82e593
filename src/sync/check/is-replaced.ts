/** Whether what a check finds of a version still counts. */
import type { Head, SyncState } from '../state/sync-state.js'

/**
 * @returns whether another version was published since `head` was read. From the phase `settling` on, the blocks that
 *   only `head` had may be collected on the node, and leave the local tables before the new version becomes the head.
 */
export function isReplaced(head: Head, state: Pick<SyncState, 'head' | 'plan'>): boolean {
  return head !== state.head || state.plan?.phase === 'settling'
}
