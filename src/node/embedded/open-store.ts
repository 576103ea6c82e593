/** Opens or makes the directory of a block store: marker, lock, index, segments. */
import { access, lstat, mkdir, opendir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DriveError } from '../../base/index.js'
import { readRegularFile, requireDirectory, syncDirectoryLater } from '../../platform/index.js'
import { BlockIndex } from './block-index.js'
import { RECORD_BYTES } from './block-record.js'
import { DiskSpace } from './disk-space.js'
import { replaceFile } from './replace-file.js'
import { GrowingSegments } from '../../storage/segments/index.js'
import { systemErrorName, storeError } from './store-error.js'
import { lockStore, type StoreLock } from './store-lock.js'
import { unmakeStore, type MadeParts } from '../left-store/unmake-store.js'

const MARKER = 'dagdrive-store'
/** First line of the marker file; the number is incremented when older programs cannot read the new format. */
const FORMAT = 'dagdrive block store, format 2'

/** Allowance for rows of a sorted file whose blocks are gone. */
const MOST_UNMERGED = 1_000_000

export interface OpenStoreOptions {
  /** The store is in the drive's own data, not in a folder of its own. */
  readonly isOfDrive?: boolean | undefined
  /** See `OpenNodeOptions`. */
  readonly mustExist?: boolean | undefined
  /** The version of dagdrive, for the status. */
  readonly version?: string | undefined
  /** Allocates page-aligned memory for direct writes; undefined where this is not possible. */
  readonly allocatePages?: ((bytes: number) => Buffer | undefined) | undefined
}

export interface OpenStore {
  readonly index: BlockIndex
  readonly segments: GrowingSegments
  readonly space: DiskSpace
  /** Throws when the disk is gone or the store can no longer be used. */
  probe(): Promise<void>
  /** @param isUnused nothing was published to it: what this opening made is removed */
  close(isUnused?: boolean): Promise<void>
}

/** @throws INVALID when a file of the store is a link, a device or a pipe; nothing is written through it */
export async function openStore(path: string, options: OpenStoreOptions): Promise<OpenStore> {
  const opened: { close(): Promise<void> }[] = []
  const made: MadeParts = { folder: false, lock: false, marker: false }
  let lock: StoreLock | undefined
  const closeAll = async (isUnused = false): Promise<void> => {
    try {
      for (const one of opened.splice(0).reverse()) await one.close()
      if (isUnused) await unmakeStore(path, made).catch(() => undefined) // such as a disk that was removed
    } finally {
      await lock?.release()
      lock = undefined
    }
  }
  try {
    await requireOwnFolder(path, options)
    if (options.mustExist === true) await requireStore(path)
    made.folder = await makeDirectory(path)
    await requireOwnFolder(path, options)
    if ((await readMarker(path)) === '') await refuseForeign(path)
    lock = await lockStore(path)
    made.lock = lock.isNew
    made.marker = await checkMarker(path)
    const segmentDirectory = join(path, 'segments')
    await mkdir(segmentDirectory, { mode: 0o700 }).catch(unlessThere)
    await requireDirectory(segmentDirectory)
    const space = await DiskSpace.open(path, options.isOfDrive ?? false)
    const { allocatePages } = options
    const segments = await GrowingSegments.open(segmentDirectory, {
      allocatePages,
      segmentBytes: space.segmentBytes,
      canShare: options.isOfDrive,
    })
    opened.push(segments)
    const index = await BlockIndex.open(path, { mostSorted: mostSortedIn(segments) })
    opened.push(index)
    await space.refill()
    await syncDirectoryLater(path)
    return { index, segments, space, probe: () => access(segmentDirectory), close: closeAll }
  } catch (error) {
    await closeAll(true)
    throw storeError(error, path)
  }
}

/** All but the smallest blocks are larger than their records. Rows of deleted blocks stay until the next merge. */
function mostSortedIn(segments: Pick<GrowingSegments, 'boundedBytes'>): number {
  return Math.floor(segments.boundedBytes / RECORD_BYTES) + MOST_UNMERGED
}

/**
 * The author of a malicious disk may have put a link in place of the folder, or a folder of another user whose files
 * can be exchanged at any time. A missing folder is accepted.
 */
async function requireOwnFolder(path: string, { isOfDrive }: OpenStoreOptions): Promise<void> {
  if (isOfDrive === true) return
  const found = await lstat(path).catch((error: unknown) => {
    if (systemErrorName(error) === 'ENOENT') return undefined
    throw error
  })
  if (found === undefined) return
  const about = { path }
  if (found.isSymbolicLink())
    throw new DriveError('INVALID', 'The folder of the block store is a symbolic link. Give the folder itself.', {
      about,
    })
  if (!found.isDirectory())
    throw new DriveError('INVALID', 'The address of the block store is not a folder.', { about })
  if (found.uid !== 0 && found.uid !== (process.getuid?.() ?? found.uid))
    throw new DriveError(
      'INVALID',
      'The folder of the block store belongs to another user, who could exchange its files. Use a new folder, or run chown on this one.',
      { about },
    )
}

/** If a disk is not mounted, its parent folder may exist and be empty. */
async function requireStore(path: string): Promise<void> {
  const text = await readMarker(path).catch(() => '') // no folder, or one that says nothing
  if (text !== '') return
  throw new DriveError(
    'OFFLINE',
    'The block store that the drive was published to is missing. Is its disk connected? ' +
      '`dagdrive node set` with the same address makes a new one there.',
    { about: { path } },
  )
}

/**
 * Only the last folder is made: if its parent is missing, the disk is probably not mounted.
 * @returns whether it was made
 */
async function makeDirectory(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 })
    await syncDirectoryLater(dirname(path))
    return true
  } catch (error) {
    unlessThere(error)
    return false
  }
}

/** @returns whether it was made */
async function checkMarker(path: string): Promise<boolean> {
  const text = await readMarker(path)
  if (text === FORMAT) return false
  if (text !== '')
    throw new DriveError(
      'INVALID',
      'This block store was made by another version of dagdrive. Use a new folder for the node.',
      { about: { path } },
    )
  await refuseForeign(path)
  await replaceFile(join(path, MARKER), Buffer.from(`${FORMAT}\n`))
  await syncDirectoryLater(path)
  return true
}

/** The first line of the marker file; empty when there is no marker file. */
async function readMarker(path: string): Promise<string> {
  return (await readRegularFile(join(path, MARKER), 100))?.toString('latin1').split('\n')[0] ?? ''
}

async function refuseForeign(path: string): Promise<void> {
  for await (const { name } of await opendir(path)) {
    if (name.startsWith(MARKER) || name.startsWith('lock')) continue
    throw new DriveError('INVALID', 'The folder holds other files. A block store needs its own folder.', {
      about: { path },
    })
  }
}

function unlessThere(error: unknown): void {
  if (systemErrorName(error) !== 'EEXIST') throw error
}
