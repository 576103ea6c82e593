/**
 * The link count of a directory: 2 and its subdirectories. It is shown by stat and decides nothing: it is counted anew
 * when a published directory is loaded, and falls to 0 only with the directory's own name. What another device wrote
 * may be wrong.
 */
import { DriveError } from '../../base/index.js'
import { TYPE, type InodeRecord } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'

/** A directory without subdirectories: its name, and the entry `.`. */
export const EMPTY_DIRECTORY_LINKS = 2
/** A stored record and an answer to stat have 32 bits for it. */
const MOST_LINKS = 0xffff_ffff

/** Throws TOO_MANY_LINKS if the directory can have no further subdirectory. Call it before anything is changed. */
export function requireRoomForSubdirectory({ nlink }: Pick<Inode, 'nlink'>): void {
  if (nlink >= MOST_LINKS) throw new DriveError('TOO_MANY_LINKS', 'The directory has too many subdirectories.')
}

/** `change` subdirectories more, or fewer. The directory keeps its name, so it keeps its links. */
export function changeSubdirectories(directory: Pick<Inode, 'nlink'>, change: number): void {
  directory.nlink = Math.min(MOST_LINKS, Math.max(EMPTY_DIRECTORY_LINKS, directory.nlink + change))
}

/** What a published record says, for an inode that has a name. */
export function namedLinkCount({ mode, nlink }: Pick<InodeRecord, 'mode' | 'nlink'>): number {
  return Math.max(mode >>> 12 === TYPE.DIRECTORY ? EMPTY_DIRECTORY_LINKS : 1, nlink)
}
