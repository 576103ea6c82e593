/** rename(2) and renameat2(2): replacing, RENAME_NOREPLACE and RENAME_EXCHANGE. */
import { DriveError, type PlainName } from '../../base/index.js'
import type { Inode } from '../inodes/inode.js'
import { changeSubdirectories, requireRoomForSubdirectory } from './link-count.js'
import { moveLink } from '../inodes/links.js'
import type { Wait } from '../maybe.js'
import { RENAME, ROOT_INO, type Caller, type Maybe } from '../tree.js'
import { removeName, requireEmpty } from './remove.js'
import { directoryOf, requireEntry, changingEntries, writableDirectory } from './require.js'
import type { NamespaceParts } from './create.js'

interface Place {
  readonly directory: Inode
  readonly name: PlainName
}

export function rename(
  parts: NamespaceParts,
  from: { parent: number; name: PlainName },
  to: { parent: number; name: PlainName },
  flags: number,
  caller: Caller,
): Maybe<void> {
  if (flags !== 0 && flags !== RENAME.NO_REPLACE && flags !== RENAME.EXCHANGE) {
    throw new DriveError('INVALID', 'These rename flags are not supported.')
  }
  const source: Place = { directory: directoryOf(parts, from.parent), name: from.name }
  const target: Place = { directory: writableDirectory(parts, to.parent), name: to.name }
  return changingEntries(parts, [source.directory, target.directory], caller, () => {
    const moved = parts.inodes.get(requireEntry(parts, source.directory, source.name).ino)
    const existing = parts.directories.find(target.directory, target.name)
    requireOutside(parts, moved, target.directory)
    if (flags === RENAME.EXCHANGE) {
      if (existing === undefined) throw new DriveError('NOT_FOUND', 'There is nothing to exchange with.')
      const other = parts.inodes.get(existing.ino)
      requireOutside(parts, other, source.directory)
      exchange(parts, source, moved, target, other)
      return undefined
    }
    const step: Step = { source, target, moved }
    if (existing === undefined) {
      if (moved.isDirectory && source.directory !== target.directory) requireRoomForSubdirectory(target.directory)
      return move(parts, step)
    }
    if (flags === RENAME.NO_REPLACE) throw new DriveError('EXISTS', 'The name is taken.')
    if (existing.ino === moved.ino) return undefined
    return replace(parts, step, parts.inodes.get(existing.ino), caller)
  })
}

interface Step {
  readonly source: Place
  readonly target: Place
  readonly moved: Inode
}

function move(parts: NamespaceParts, { source, target, moved }: Step): void {
  parts.directories.delete(source.directory, source.name)
  parts.directories.set(target.directory, target.name, moved.ino, moved.type)
  moveLink(parts, moved, nameAt(source), nameAt(target))
  moved.hint = target.name
  if (moved.isDirectory && source.directory !== target.directory) {
    changeSubdirectories(source.directory, -1)
    changeSubdirectories(target.directory, 1)
  }
  parts.inodes.stampChange(moved, false)
  parts.changes.moved(moved, nameAt(source), nameAt(target))
  stampParents(parts, source, target)
}

function replace(parts: NamespaceParts, step: Step, old: Inode, caller: Caller): Wait | undefined {
  const { target, moved } = step
  if (moved.isDirectory && !old.isDirectory)
    throw new DriveError('NOT_A_DIRECTORY', 'A directory cannot replace a file.')
  if (!moved.isDirectory && old.isDirectory)
    throw new DriveError('IS_A_DIRECTORY', 'A file cannot replace a directory.')
  if (old.isDirectory) {
    const wait = requireEmpty(parts, old, caller)
    if (wait !== undefined) return wait
    changeSubdirectories(target.directory, -1)
  }
  parts.directories.delete(target.directory, target.name)
  removeName(parts, old, target.directory.ino, target.name)
  move(parts, step)
  return undefined
}

function exchange(parts: NamespaceParts, a: Place, first: Inode, b: Place, second: Inode): void {
  if (first === second) return
  parts.directories.set(b.directory, b.name, first.ino, first.type)
  parts.directories.set(a.directory, a.name, second.ino, second.type)
  moveLink(parts, first, nameAt(a), nameAt(b))
  moveLink(parts, second, nameAt(b), nameAt(a))
  first.hint = b.name
  second.hint = a.name
  const change = (first.isDirectory ? 1 : 0) - (second.isDirectory ? 1 : 0)
  if (a.directory !== b.directory) {
    changeSubdirectories(a.directory, -change)
    changeSubdirectories(b.directory, change)
  }
  parts.inodes.stampChange(first, false)
  parts.inodes.stampChange(second, false)
  parts.changes.moved(first, nameAt(a), nameAt(b))
  parts.changes.moved(second, nameAt(b), nameAt(a))
  stampParents(parts, a, b)
}

/** A directory cannot be moved into itself or below itself. */
function requireOutside(parts: NamespaceParts, moved: Inode, directory: Inode): void {
  if (!moved.isDirectory) return
  for (let at = directory; ; at = parts.inodes.get(at.parent)) {
    if (at === moved) throw new DriveError('INVALID', 'A directory cannot be moved into itself.')
    if (at.ino === ROOT_INO || at.parent === 0) return
  }
}

function stampParents(parts: NamespaceParts, a: Place, b: Place): void {
  parts.inodes.stampChange(a.directory, true)
  if (a.directory !== b.directory) parts.inodes.stampChange(b.directory, true)
}

const nameAt = ({ directory, name }: Place): { parent: number; name: PlainName } => ({ parent: directory.ino, name })
