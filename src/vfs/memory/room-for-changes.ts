/** A change of attributes waits while the changed inodes of the next commit take too much memory. */
import { settle, then, Wait } from '../maybe.js'
import { holding, type LookupParts } from '../namespace/require.js'
import type { Maybe } from '../tree.js'
import type { Inode } from '../inodes/inode.js'

/** The parts that waiting uses. */
export type ChangeRoomParts = Pick<LookupParts, 'inodes'> & { readonly committer: { commit(): Promise<void> } }

/** Runs `attempt` when there is room. Rejects as the commit does. */
export function withRoomForChange<T>(parts: ChangeRoomParts, inode: Inode, attempt: () => Maybe<T>): Maybe<T> {
  const { changed } = parts.inodes
  if (!changed.areTooLarge) return attempt()
  const room = settle(() => (changed.areTooLarge ? new Wait(parts.committer.commit()) : undefined))
  const result = then(room, attempt)
  return result instanceof Promise ? holding(parts, [inode], result) : result
}

/** The attributes of the inode have another length. */
export function weighChanged({ inodes }: Pick<LookupParts, 'inodes'>, inode: Inode): void {
  const before = inode.heavyBytes
  inodes.cache.weigh(inode)
  if (inode.changed) inodes.changed.grown(inode.heavyBytes - before)
}
