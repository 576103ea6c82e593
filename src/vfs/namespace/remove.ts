/** Names that go: unlink and rmdir. */
import { DriveError, type PlainName } from '../../base/index.js'
import type { Inode } from '../inodes/inode.js'
import { dropLink } from '../inodes/links.js'
import type { Wait } from '../maybe.js'
import type { Caller, Maybe } from '../tree.js'
import { stampChange, type Volume } from '../volume.js'
import { directoryOf, entryOf, needsLoading, withEntries } from './require.js'

/** Throws IS_A_DIRECTORY. */
export function unlink(volume: Volume, parentIno: number, name: PlainName, caller: Caller): Maybe<void> {
  const parent = directoryOf(volume, parentIno)
  return withEntries(volume, [parent], caller, () => {
    const inode = volume.inodes.get(entryOf(volume, parent, name).ino)
    if (inode.isDirectory) throw new DriveError('IS_A_DIRECTORY', 'Is a directory.')
    volume.directories.delete(parent, name)
    stampChange(volume, parent, true)
    removeName(volume, inode, parent.ino, name)
  })
}

/** Throws NOT_A_DIRECTORY, NOT_EMPTY. */
export function removeDirectory(volume: Volume, parentIno: number, name: PlainName, caller: Caller): Maybe<void> {
  const parent = directoryOf(volume, parentIno)
  return withEntries(volume, [parent], caller, () => {
    const inode = directoryOf(volume, entryOf(volume, parent, name).ino)
    const wait = requireEmpty(volume, inode, caller)
    if (wait !== undefined) return wait
    volume.directories.delete(parent, name)
    parent.nlink--
    stampChange(volume, parent, true)
    removeName(volume, inode, parent.ino, name)
    return undefined
  })
}

/** Throws NOT_EMPTY; a directory that is not loaded must be waited for. */
export function requireEmpty(volume: Volume, inode: Inode, caller: Caller): Wait | undefined {
  const wait = needsLoading(volume, [inode], caller)
  if (wait !== undefined) return wait
  if (!volume.directories.isEmpty(inode)) throw new DriveError('NOT_EMPTY', 'The directory is not empty.')
  return undefined
}

/** The inode loses a name whose entry is gone already; with the last one its rows go too, unless it is in use. */
export function removeName(volume: Volume, inode: Inode, parent: number, name: PlainName): void {
  stampChange(volume, inode, false)
  if (inode.isDirectory) {
    inode.nlink = 0
    volume.inodes.unlinked(inode)
  } else dropLink(volume, inode, parent, name)
}
