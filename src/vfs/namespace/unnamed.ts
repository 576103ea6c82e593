/**
 * Files that get their name when they are complete. Until then no directory lists them, no version contains them, and
 * the kernel does not know them. After a kill they are gone (`removeAbandoned`).
 */
import { DriveError } from '../../base/index.js'
import { TYPE } from '../../tree-state/index.js'
import { attributesOf, type Inode } from '../inodes/inode.js'
import { needsIno } from '../inodes/ino-reservation.js'
import type { InodeTable } from '../inodes/inode-table.js'
import { neverNamed, orphanKey } from '../inodes/state-rows.js'
import { inheritAcl } from '../inodes/xattrs.js'
import type { TreeState } from '../inodes/tree-state.js'
import type { Attributes, Caller, Maybe, NamePlace } from '../tree.js'
import { groupFor, type NamespaceParts } from './create.js'
import { removeName } from './remove.js'
import { withEntries, writableDirectory } from './require.js'

/** For clients of the tree on the drive thread; the kernel has no such call. */
export interface UnnamedFiles {
  /**
   * A new file for this directory. Open it in the same turn: it is removed when nobody has it open. BUSY if all
   * reserved inode numbers are used until the next commit.
   * @param mode permission bits
   */
  make(parent: number, mode: number, caller: Caller): Attributes
  /**
   * Gives the file its name at once and in the place of the file there, if any. Throws EXISTS if there is one and
   * `replace` is false, or if it is a directory. Level reached: `held`, as for `rename`.
   */
  name(ino: number, place: NamePlace, options: { readonly replace: boolean }, caller: Caller): Maybe<void>
}

export function createUnnamedFiles(parts: NamespaceParts): UnnamedFiles {
  return {
    make(parentIno, mode, caller) {
      const parent = writableDirectory(parts, parentIno)
      if (needsIno(parts) !== undefined) throw new DriveError('BUSY', 'Too many new files are being written to disk.')
      const inode = parts.inodes.create({
        mode: (mode & 0o7777) | (TYPE.FILE << 12),
        uid: caller.uid,
        gid: groupFor(parent, caller),
        nlink: 0,
        rdev: 0,
        parent: 0,
      })
      inode.isNeverNamed = true
      inheritAcl(inode, parent, caller.umask ?? 0)
      return attributesOf(inode)
    },

    name(ino, place, { replace }, caller) {
      const inode = parts.inodes.get(ino)
      if (!inode.isNeverNamed) throw new DriveError('INVALID', 'The file had a name.')
      const directory = writableDirectory(parts, place.parent)
      return withEntries(parts, [directory, inode], caller, () => {
        const existing = parts.directories.find(directory, place.name)
        if (existing !== undefined) {
          const old = parts.inodes.get(existing.ino)
          if (!replace || old.isDirectory) throw new DriveError('EXISTS', 'The name is taken.')
          parts.directories.delete(directory, place.name)
          removeName(parts, old, directory.ino, place.name)
        }
        enter(parts, directory, place, inode)
      })
    },
  }
}

function enter(parts: NamespaceParts, directory: Inode, { parent, name }: NamePlace, inode: Inode): void {
  const { state, inodes, directories, changes } = parts
  inode.isNeverNamed = false
  inode.nlink = 1
  inode.parent = parent
  inode.hint = name
  if (inode.persisted) state.tables.state.delete(orphanKey(inode.ino))
  state.counters.totalFiles++
  state.counters.totalBytes += inode.size
  inodes.unpublished.addBytes(inode, inode.size)
  directories.set(directory, name, inode.ino, inode.type)
  inodes.stampChange(inode, false)
  inodes.stampChange(directory, true)
  changes.placed(inode, parent, name)
}

/** Removes the unnamed files that a killed process left. Those of this process are open, and stay. */
export function removeAbandoned(parts: { readonly state: TreeState; readonly inodes: InodeTable }): void {
  for (const ino of neverNamed(parts.state)) {
    const inode = parts.inodes.find(ino)
    if (inode !== undefined) parts.inodes.removeUnreferenced(inode)
  }
}
