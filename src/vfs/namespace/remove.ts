/** Removes names: unlink and rmdir. */
import { DriveError, type PlainName } from '../../base/index.js'
import type { Inode } from '../inodes/inode.js'
import { changeSubdirectories } from './link-count.js'
import { dropLink } from '../inodes/links.js'
import type { Wait } from '../maybe.js'
import type { Caller, Maybe } from '../tree.js'
import { directoryOf, requireEntry, needsLoading, changingEntries, type LookupParts } from './require.js'
import type { NamespaceParts } from './create.js'

/** Throws IS_A_DIRECTORY. */
export function unlink(parts: NamespaceParts, parentIno: number, name: PlainName, caller: Caller): Maybe<void> {
  const parent = directoryOf(parts, parentIno)
  return changingEntries(parts, [parent], caller, () => {
    const inode = parts.inodes.get(requireEntry(parts, parent, name).ino)
    if (inode.isDirectory) throw new DriveError('IS_A_DIRECTORY', 'Is a directory.')
    parts.directories.delete(parent, name)
    parts.inodes.stampChange(parent, true)
    removeName(parts, inode, parent.ino, name)
  })
}

/** Throws NOT_A_DIRECTORY, NOT_EMPTY. */
export function removeDirectory(
  parts: NamespaceParts,
  parentIno: number,
  name: PlainName,
  caller: Caller,
): Maybe<void> {
  const parent = directoryOf(parts, parentIno)
  return changingEntries(parts, [parent], caller, () => {
    const inode = directoryOf(parts, requireEntry(parts, parent, name).ino)
    const wait = requireEmpty(parts, inode, caller)
    if (wait !== undefined) return wait
    parts.directories.delete(parent, name)
    changeSubdirectories(parent, -1)
    parts.inodes.stampChange(parent, true)
    removeName(parts, inode, parent.ino, name)
    return undefined
  })
}

/** Throws NOT_EMPTY. Returns a wait for a directory that is not loaded. */
export function requireEmpty(parts: LookupParts, inode: Inode, caller: Caller): Wait | undefined {
  const wait = needsLoading(parts, [inode], caller)
  if (wait !== undefined) return wait
  if (!parts.directories.isEmpty(inode)) throw new DriveError('NOT_EMPTY', 'The directory is not empty.')
  return undefined
}

/**
 * Removes a name from the inode; its entry is gone already. With the last name the inode's rows are deleted too, unless
 * it is in use.
 */
export function removeName(parts: NamespaceParts, inode: Inode, parent: number, name: PlainName): void {
  parts.inodes.stampChange(inode, false)
  parts.changes.removed(inode, parent, name)
  if (inode.isDirectory) {
    inode.nlink = 0
    parts.inodes.unlinked(inode)
  } else dropLink(parts, inode, parent, name)
}
