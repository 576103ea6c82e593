/** rename(2) and renameat2(2): over existing names, without replacing, and exchanging. */
import { DriveError, type PlainName } from '../../base/index.js'
import type { Inode } from '../inodes/inode.js'
import { moveLink } from '../inodes/links.js'
import type { Wait } from '../maybe.js'
import { RENAME, ROOT_INO, type Caller, type Maybe } from '../tree.js'
import { stampChange, type Volume } from '../volume.js'
import { removeName, requireEmpty } from './remove.js'
import { directoryOf, entryOf, withEntries, writableDirectory } from './require.js'

interface Place {
  readonly directory: Inode
  readonly name: PlainName
}

export function rename(
  volume: Volume,
  from: { parent: number; name: PlainName },
  to: { parent: number; name: PlainName },
  flags: number,
  caller: Caller,
): Maybe<void> {
  if (flags !== 0 && flags !== RENAME.NO_REPLACE && flags !== RENAME.EXCHANGE) {
    throw new DriveError('INVALID', 'These rename flags are not supported.')
  }
  const source: Place = { directory: directoryOf(volume, from.parent), name: from.name }
  const target: Place = { directory: writableDirectory(volume, to.parent), name: to.name }
  return withEntries(volume, [source.directory, target.directory], caller, () => {
    const moved = volume.inodes.get(entryOf(volume, source.directory, source.name).ino)
    const existing = volume.directories.find(target.directory, target.name)
    requireOutside(volume, moved, target.directory)
    if (flags === RENAME.EXCHANGE) {
      if (existing === undefined) throw new DriveError('NOT_FOUND', 'There is nothing to exchange with.')
      const other = volume.inodes.get(existing.ino)
      requireOutside(volume, other, source.directory)
      exchange(volume, source, moved, target, other)
      return undefined
    }
    if (existing === undefined) return move(volume, source, target, moved)
    if (flags === RENAME.NO_REPLACE) throw new DriveError('EXISTS', 'The name is taken.')
    if (existing.ino === moved.ino) return undefined
    return replace(volume, source, target, moved, volume.inodes.get(existing.ino), caller)
  })
}

function move(volume: Volume, source: Place, target: Place, moved: Inode): void {
  volume.directories.delete(source.directory, source.name)
  volume.directories.set(target.directory, target.name, moved.ino, moved.type)
  moveLink(volume, moved, nameAt(source), nameAt(target))
  moved.hint = target.name
  if (moved.isDirectory && source.directory !== target.directory) {
    source.directory.nlink--
    target.directory.nlink++
  }
  stampChange(volume, moved, false)
  stampParents(volume, source, target)
}

function replace(
  volume: Volume,
  source: Place,
  target: Place,
  moved: Inode,
  old: Inode,
  caller: Caller,
): Wait | undefined {
  if (moved.isDirectory && !old.isDirectory)
    throw new DriveError('NOT_A_DIRECTORY', 'A directory cannot replace a file.')
  if (!moved.isDirectory && old.isDirectory)
    throw new DriveError('IS_A_DIRECTORY', 'A file cannot replace a directory.')
  if (old.isDirectory) {
    const wait = requireEmpty(volume, old, caller)
    if (wait !== undefined) return wait
    target.directory.nlink--
  }
  volume.directories.delete(target.directory, target.name)
  removeName(volume, old, target.directory.ino, target.name)
  // Written anew and renamed over the old: no commit may hold the new name with less than the new content.
  if (moved.content !== undefined) moved.content.isUrgent = true
  move(volume, source, target, moved)
  return undefined
}

function exchange(volume: Volume, a: Place, first: Inode, b: Place, second: Inode): void {
  if (first === second) return
  volume.directories.set(b.directory, b.name, first.ino, first.type)
  volume.directories.set(a.directory, a.name, second.ino, second.type)
  moveLink(volume, first, nameAt(a), nameAt(b))
  moveLink(volume, second, nameAt(b), nameAt(a))
  first.hint = b.name
  second.hint = a.name
  const change = (first.isDirectory ? 1 : 0) - (second.isDirectory ? 1 : 0)
  if (a.directory !== b.directory) {
    a.directory.nlink -= change
    b.directory.nlink += change
  }
  stampChange(volume, first, false)
  stampChange(volume, second, false)
  stampParents(volume, a, b)
}

/** A directory cannot move into itself or below. */
function requireOutside(volume: Volume, moved: Inode, directory: Inode): void {
  if (!moved.isDirectory) return
  for (let at = directory; ; at = volume.inodes.get(at.parent)) {
    if (at === moved) throw new DriveError('INVALID', 'A directory cannot be moved into itself.')
    if (at.ino === ROOT_INO || at.parent === 0) return
  }
}

function stampParents(volume: Volume, a: Place, b: Place): void {
  stampChange(volume, a.directory, true)
  if (a.directory !== b.directory) stampChange(volume, b.directory, true)
}

const nameAt = ({ directory, name }: Place): { parent: number; name: PlainName } => ({ parent: directory.ino, name })
