/** Checks and look-ups shared by the namespace operations. */
import { DriveError, type PlainName } from '../../base/index.js'
import type { DentryRecord } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import { settle, Wait } from '../maybe.js'
import type { Caller, Maybe } from '../tree.js'
import type { TreeState } from '../inodes/tree-state.js'
import type { InodeTable } from '../inodes/inode-table.js'
import type { Room } from '../staging/space.js'
import type { Directories } from '../namespace/directories.js'
import type { RemoteDirectories } from './remote-directory.js'

/** The parts that directory look-ups use. */
export interface LookupParts {
  readonly state: TreeState
  readonly inodes: InodeTable
  readonly directories: Directories
  readonly remoteDirectories: RemoteDirectories
  readonly room: Room
}

const METADATA_BYTES = 4096

/** The directory, which must still be in the tree. Throws NOT_A_DIRECTORY, STALE. */
export function directoryOf(parts: Pick<LookupParts, 'inodes'>, ino: number): Inode {
  const inode = parts.inodes.get(ino)
  if (!inode.isDirectory) throw new DriveError('NOT_A_DIRECTORY', 'Not a directory.')
  return inode
}

/** A directory that may get new entries. Throws NOT_FOUND when it was removed, NO_SPACE when the disk is full. */
export function writableDirectory(parts: LookupParts, ino: number): Inode {
  const inode = directoryOf(parts, ino)
  if (inode.nlink === 0) throw new DriveError('NOT_FOUND', 'The directory was removed.')
  parts.room.require(parts.state.pendingBytes, METADATA_BYTES)
  return inode
}

/**
 * Runs `attempt` when the entries of all these directories are loaded. The inodes stay in memory during the wait, so
 * that the objects captured by `attempt` stay current.
 */
export function withEntries<T>(
  parts: LookupParts,
  inodes: readonly Inode[],
  caller: Caller,
  attempt: () => T | Wait,
): Maybe<T> {
  const result = settle(() => needsLoading(parts, inodes, caller) ?? attempt())
  return result instanceof Promise ? holding(parts, inodes, result) : result
}

/**
 * Like `withEntries`, for a change of names. A change that the mount's log gets, and that has waited, is made when
 * changes that no log has are on disk: it may depend on them (S-135).
 */
export function changingEntries<T>(
  parts: LookupParts,
  inodes: readonly Inode[],
  caller: Caller,
  attempt: () => T | Wait,
): Maybe<T> {
  const { state } = parts
  const { isLogged } = state
  return withEntries(parts, inodes, caller, () =>
    isLogged && state.unlogged > state.durable ? new Wait(state.commitUnlogged()) : attempt(),
  )
}

/** Keeps the inodes in memory until `work` is done. */
export function holding<T>(parts: Pick<LookupParts, 'inodes'>, inodes: readonly Inode[], work: Promise<T>): Promise<T> {
  for (const inode of inodes) inode.pins++
  return work.finally(() => {
    for (const inode of inodes) {
      inode.pins--
      parts.inodes.removeIfUnused(inode)
    }
  })
}

/** The load to wait for before the entries of these directories can be used; undefined when they can be used now. */
export function needsLoading(parts: LookupParts, directories: readonly Inode[], caller: Caller): Wait | undefined {
  const unloaded = directories.find((inode) => inode.unloaded && inode.isDirectory)
  return unloaded === undefined ? undefined : new Wait(parts.remoteDirectories.load(unloaded, caller))
}

/** Throws NOT_FOUND. */
export function requireEntry(parts: LookupParts, directory: Inode, name: PlainName): DentryRecord {
  const dentry = parts.directories.find(directory, name)
  if (dentry === undefined) throw new DriveError('NOT_FOUND', 'No such file or directory.')
  return dentry
}

/** Throws EXISTS. */
export function requireAbsent(parts: LookupParts, directory: Inode, name: PlainName): void {
  if (parts.directories.find(directory, name) !== undefined) throw new DriveError('EXISTS', 'The name is taken.')
}
