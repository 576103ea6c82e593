/** Checks and look-ups the namespace operations share. */
import { DriveError, type PlainName } from '../../base/index.js'
import type { DentryRecord } from '../../tree-state/index.js'
import type { Inode } from '../inodes/inode.js'
import { settle, Wait } from '../maybe.js'
import type { Caller, Maybe } from '../tree.js'
import type { Volume } from '../volume.js'

const METADATA_BYTES = 4096

/** The directory, which must still be in the tree. Throws NOT_A_DIRECTORY, STALE. */
export function directoryOf(volume: Volume, ino: number): Inode {
  const inode = volume.inodes.get(ino)
  if (!inode.isDirectory) throw new DriveError('NOT_A_DIRECTORY', 'Not a directory.')
  return inode
}

/** A directory that may get new entries: NOT_FOUND when it was removed, NO_SPACE when the disk is full. */
export function writableDirectory(volume: Volume, ino: number): Inode {
  const inode = directoryOf(volume, ino)
  if (inode.nlink === 0) throw new DriveError('NOT_FOUND', 'The directory was removed.')
  volume.room.require(volume.meta.pendingBytes, METADATA_BYTES)
  return inode
}

/**
 * Runs `attempt` when the entries of all these directories are loaded. The inodes stay in memory while it waits, so the
 * objects `attempt` closes over are still the ones in use.
 */
export function withEntries<T>(
  volume: Volume,
  inodes: readonly Inode[],
  caller: Caller,
  attempt: () => T | Wait,
): Maybe<T> {
  const result = settle(() => needsLoading(volume, inodes, caller) ?? attempt())
  return result instanceof Promise ? holding(volume, inodes, result) : result
}

/** Keeps the inodes in memory until `work` is done. */
export function holding<T>(volume: Volume, inodes: readonly Inode[], work: Promise<T>): Promise<T> {
  for (const inode of inodes) inode.pins++
  return work.finally(() => {
    for (const inode of inodes) {
      inode.pins--
      volume.inodes.removeIfUnused(inode)
    }
  })
}

/** What to wait for before the entries of these directories can be used; undefined when they can. */
export function needsLoading(volume: Volume, directories: readonly Inode[], caller: Caller): Wait | undefined {
  const unloaded = directories.find((inode) => inode.unloaded && inode.isDirectory)
  return unloaded === undefined ? undefined : new Wait(volume.remoteDirectories.load(unloaded, caller))
}

/** Throws NOT_FOUND. */
export function entryOf(volume: Volume, directory: Inode, name: PlainName): DentryRecord {
  const dentry = volume.directories.find(directory, name)
  if (dentry === undefined) throw new DriveError('NOT_FOUND', 'No such file or directory.')
  return dentry
}

/** Throws EXISTS. */
export function requireAbsent(volume: Volume, directory: Inode, name: PlainName): void {
  if (volume.directories.find(directory, name) !== undefined) throw new DriveError('EXISTS', 'The name is taken.')
}
