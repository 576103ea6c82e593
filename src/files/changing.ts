/** Changes names, not content: makes directories, renames, and removes files and whole directories. */
import { setImmediate } from 'node:timers/promises'
import { DriveError, isDriveError, throwIfAborted } from '../base/index.js'
import {
  RENAME,
  ROOT_INO,
  type Caller,
  type DirectoryEntry,
  type Identities,
  type NamePlace,
  type Tree,
} from '../vfs/index.js'
import type { Origins } from './origins.js'
import { findPlace, namesOf } from './tree-paths.js'

const DIRECTORY_MODE = 0o755
/** DT_DIR. */
const DIRECTORY = 4
const ENTRIES_AT_ONCE = 256

/** The parts these functions need. */
export interface Changing {
  readonly tree: Tree
  readonly identities: Identities
  readonly origins: Origins
  readonly caller: Caller
  /** Invalidates this name, or its absence, in the kernel's cache. */
  readonly forget: (place: NamePlace) => void
}

/** @returns the new directory; with `parents`, also an existing one */
export async function makeDirectoryAt(on: Changing, path: string, parents: boolean, origin: string): Promise<number> {
  const { tree, caller } = on
  if (!parents) return makeOne(on, await findPlace(tree, path, caller), origin)
  let ino = ROOT_INO
  for (const name of namesOf(path)) {
    const there = await tree.lookup(ino, name, caller)
    if (there !== undefined && there.mode >>> 12 !== DIRECTORY) throw notADirectory()
    ino = there === undefined ? await makeOne(on, { parent: ino, name }, origin) : there.ino
  }
  return ino
}

async function makeOne(on: Changing, place: NamePlace, origin: string): Promise<number> {
  await on.tree.redo?.whenQuiet()
  on.origins.note('added', place, origin)
  const { ino } = await on.tree.makeDirectory(place.parent, place.name, DIRECTORY_MODE, on.caller)
  on.forget(place)
  await staged(on, place.parent)
  return ino
}

export async function moveEntry(
  on: Changing,
  from: NamePlace,
  to: string,
  options: { readonly replace: boolean },
  origin: string,
): Promise<void> {
  const target = await findPlace(on.tree, to, on.caller)
  await on.tree.redo?.whenQuiet()
  on.origins.note('moved', target, origin)
  const flags = options.replace ? 0 : RENAME.NO_REPLACE
  await on.tree.rename(
    { parent: from.parent, name: from.name },
    { parent: target.parent, name: target.name },
    flags,
    on.caller,
  )
  on.forget(from)
  on.forget(target)
  await staged(on, target.parent)
}

/**
 * A client's change is made durable before it is answered. The redo log for programs' operations (src/fuse/holder) does
 * not contain it. Changes of programs wait until it is durable, because they may depend on it (`Redo.hasUnlogged`).
 */
async function staged({ tree, caller }: Changing, parent: number): Promise<void> {
  await tree.sync(parent, false, caller)
}

/** The place of a path, or of a file id. */
export async function namePlaceOf(on: Changing, place: { path: string } | { ino: number }): Promise<NamePlace> {
  if ('path' in place) return findPlace(on.tree, place.path, on.caller)
  const at = on.identities.nameOf(place.ino)
  if (at === undefined) throw new DriveError('NOT_FOUND', 'That file has no name.')
  return at
}

/** @param recursive also removes the content of a directory. NOT_EMPTY if somebody adds an entry meanwhile */
export async function remove(on: Changing, place: NamePlace, recursive: boolean, origin: string): Promise<void> {
  await removeAll(on, place, recursive, origin)
  await staged(on, place.parent)
}

async function removeAll(on: Changing, place: NamePlace, recursive: boolean, origin: string): Promise<void> {
  const { tree, caller } = on
  const there = await tree.lookup(place.parent, place.name, caller)
  if (there === undefined) throw new DriveError('NOT_FOUND', 'There is no file at that path.')
  const isDirectory = there.mode >>> 12 === DIRECTORY
  if (isDirectory && recursive) await empty(on, there.ino, origin)
  // A recursive removal would never leave a program's change in the same tree its turn.
  const quiet = on.tree.redo?.whenQuiet()
  if (quiet !== undefined) await quiet
  on.origins.note('removed', place, origin)
  if (isDirectory) await tree.removeDirectory(place.parent, place.name, caller)
  else await tree.unlink(place.parent, place.name, caller)
  on.forget(place)
}

/** Removes depth first, with a bounded number of entries in memory per level. */
async function empty(on: Changing, ino: number, origin: string): Promise<void> {
  for (;;) {
    // Lets programs on the mount proceed, and notices that the caller has cancelled.
    await setImmediate()
    throwIfAborted(on.caller.signal)
    const entries = await someEntries(on, ino)
    if (entries.length === 0) return
    for (const { name } of entries) {
      await removeAll(on, { parent: ino, name }, true, origin).catch((error: unknown) => {
        // Another caller removed it first.
        if (!isDriveError(error, 'NOT_FOUND')) throw error
      })
    }
  }
}

async function someEntries({ tree, caller }: Changing, ino: number): Promise<DirectoryEntry[]> {
  const entries: DirectoryEntry[] = []
  const { handle } = await tree.openDirectory(ino, caller)
  try {
    const visit = (entry: DirectoryEntry): boolean => entries.length < ENTRIES_AT_ONCE && entries.push(entry) > 0
    await tree.readDirectory(ino, handle, { cookie: 0, withAttributes: false, visit }, caller)
  } finally {
    tree.releaseDirectory(ino, handle)
  }
  return entries
}

function notADirectory(): DriveError {
  return new DriveError('NOT_A_DIRECTORY', 'A part of the path is not a directory.')
}
