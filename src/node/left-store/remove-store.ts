/**
 * Removes the files of a block store, and nothing else: names that a store has, only regular files and the folder of
 * segments, no link followed. The folder gets another name first, so a removal that was interrupted is found and
 * finished, and a new store can be made in its place.
 */
import { lstat, opendir, rename, rmdir, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DriveError } from '../../base/index.js'
import { syncDirectoryLater } from '../../platform/index.js'
import { COUNTED_NAMES } from '../../storage/segments/index.js'
import { systemErrorName } from '../embedded/store-error.js'
import { lockIfThere } from '../embedded/store-lock.js'

/** `freedBytes`: space on the disk that the removed files had. */
export interface RemovedStore {
  readonly freedBytes: number
  /** Files and folders that are not the store's. They stay, in `where`. */
  readonly left: number
  readonly where: string
}

const MARKER = 'dagdrive-store'
const FILES: ReadonlySet<string> = new Set([
  ...[MARKER, 'blocks.sorted', 'blocks.log', 'roots', 'roots.copy'].flatMap((name) => [name, `${name}.new`]),
  'reserve',
])
/** Size unit of `Stats.blocks`. */
const DISK_BLOCK_BYTES = 512

/**
 * The first step of a removal; durable. Whatever follows, the store is gone for every program.
 * @param path the store's folder
 * @throws NOT_EMPTY when files that are not a store's are left of an earlier removal
 */
export async function renameForRemoval(path: string): Promise<void> {
  const aside = forgottenFolderOf(path)
  await rename(path, aside).catch((error: unknown) => {
    const name = systemErrorName(error)
    if (name !== 'ENOTEMPTY' && name !== 'EEXIST' && name !== 'ENOTDIR') throw error
    throw new DriveError('NOT_EMPTY', `${aside} has files that are no block store's. Move them away first.`, {
      about: { where: aside },
    })
  })
  await syncDirectoryLater(dirname(path))
}

/**
 * Removes what `renameForRemoval` put aside.
 * @returns undefined when there is nothing
 * @throws LOCKED, and nothing was removed, when a program serves it: it may have been made a store again
 */
export async function removeRenamed(path: string): Promise<RemovedStore | undefined> {
  const where = forgottenFolderOf(path)
  if (!(await isFolder(where))) return undefined
  const lock = await lockIfThere(where)
  let freedBytes: number
  try {
    // The lock is the last, so that until then no program uses what is left.
    freedBytes = await removeStoreFiles(where)
    await removeFiles(where, (name) => name === 'lock')
  } finally {
    await lock?.release()
  }
  await rmdir(where).catch(unlessFilled)
  await syncDirectoryLater(dirname(path))
  return { freedBytes, left: await countIn(where), where }
}

/**
 * Removes all files of a store but its lock; the marker is the last. What is not a store's stays.
 * @returns the space they had
 */
export async function removeStoreFiles(where: string): Promise<number> {
  const segments = join(where, 'segments')
  let freedBytes = 0
  if (await isFolder(segments)) {
    freedBytes += await removeFiles(segments, (name) => COUNTED_NAMES.numberOf(name) !== undefined)
    await rmdir(segments).catch(unlessFilled)
  }
  freedBytes += await removeFiles(where, (name) => name !== MARKER && FILES.has(name))
  return freedBytes + (await removeFiles(where, (name) => name === MARKER))
}

/** The folder that the removal of the store at `path` renames it to, and removes. */
export function forgottenFolderOf(path: string): string {
  return `${path}.forgotten`
}

async function removeFiles(folder: string, isOwn: (name: string) => boolean): Promise<number> {
  let bytes = 0
  for await (const { name } of await opendir(folder)) {
    if (!isOwn(name)) continue
    const path = join(folder, name)
    const found = await lstat(path)
    // A store has only regular files; a link of such a name is not its own.
    if (!found.isFile()) continue
    await unlink(path)
    if (found.nlink === 1) bytes += found.blocks * DISK_BLOCK_BYTES
  }
  return bytes
}

async function countIn(folder: string): Promise<number> {
  let count = 0
  try {
    for await (const _ of await opendir(folder)) count++
  } catch (error) {
    if (systemErrorName(error) !== 'ENOENT') throw error
  }
  return count
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory()
  } catch (error) {
    if (systemErrorName(error) === 'ENOENT') return false
    throw error
  }
}

/** A folder that has other files stays. */
export function unlessFilled(error: unknown): void {
  const name = systemErrorName(error)
  if (name !== 'ENOTEMPTY' && name !== 'EEXIST') throw error
}
