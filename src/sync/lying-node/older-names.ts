/** Names that show an older version than this device has seen at this node, which hides what was published since. */
import { DriveError } from '../../base/index.js'

/** Sequences of the records of one name. */
export interface MovedName {
  readonly now: number
  /** The last one seen at this node; undefined if none was. */
  readonly seen: number | undefined
}

/**
 * @param what the name, in words
 * @param mayBeBehind the node never confirmed this device's version, so an older name is no rollback
 * @throws ROLLED_BACK
 */
export function requireNotOlder(what: string, { now, seen }: MovedName, mayBeBehind: boolean | undefined): void {
  if (mayBeBehind === true || seen === undefined || now >= seen) return
  throw new DriveError(
    'ROLLED_BACK',
    `The node shows an older version of ${what} than this device has seen. Nothing was changed there; local changes stay staged. ` +
      'If the node was restored from a backup, see docs/RECOVERY.md.',
  )
}
