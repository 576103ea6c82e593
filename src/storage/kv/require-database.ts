/**
 * A look at the files of an environment before LMDB opens them. LMDB ends the process where the header is garbage, a
 * page is beyond the end of the file, the lock file is no file, or the disk gets full while it makes them. It follows
 * links, and overwrites what they name.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DriveError, KIB, systemClock } from '../../base/index.js'
import { diskSpace, syncDirectory } from '../../platform/index.js'

/** Of one of the two headers of the file, which LMDB writes in turn (lmdb-js 3.5, little-endian machines). */
const AT = { magic: 24, pageBytes: 48, freeRoot: 88, mainRoot: 136, transaction: 152 } as const
const HEADER_BYTES = 160
const MAGIC = 0xbeefc0de
/** The root of a tree without rows. */
const NO_PAGE = 0xffff_ffff_ffff_ffffn

/** For the first pages of a new database, and its tables. */
const NEW_BYTES = 256 * KIB
/** LMDB maps its lock file and writes there: without blocks for it, a full disk would end the process. */
const LOCK_BYTES = 12 * KIB

/** Whether the making of the database was interrupted: then nothing was ever written to it. */
export function isUnfinished(directory: string): boolean {
  return lstatSync(markOf(directory), { throwIfNoEntry: false })?.isFile() === true
}

/**
 * Opens the database, and makes it if there is none: whole, or not at all.
 * @param open makes the files if they are missing
 * @throws NO_SPACE if the disk has too little space for a new one; other failures as they are
 */
export function openOrMake<T>(directory: string, open: () => T): T {
  const files = ['data.mdb', 'lock.mdb'].map((name) => join(directory, name))
  const removeAll = (): void => files.forEach((file) => rmSync(file, { force: true }))
  if (isUnfinished(directory)) removeAll()
  else if (existsSync(files[0]!)) return open()
  if (diskSpace(directory, systemClock).space().availableBytes < NEW_BYTES)
    throw new DriveError('NO_SPACE', 'The disk that holds the drive’s local data is full.')
  try {
    writeFileSync(markOf(directory), '', { mode: 0o600 })
    syncDirectory(directory)
    writeFileSync(files[1]!, Buffer.alloc(LOCK_BYTES), { mode: 0o600 })
    return open()
  } catch (error) {
    removeAll()
    throw error
  } finally {
    rmSync(markOf(directory), { force: true })
    syncDirectory(directory)
  }
}

/** There from before the making until its end. Its removal is durable before anything is written to the database. */
const markOf = (directory: string): string => join(directory, 'unfinished')

/**
 * The files may be missing.
 * @throws ACCESS_DENIED if anything but a regular file of this user is in the place of one. Nothing is opened then.
 */
export function requireDatabaseFiles(directory: string): void {
  for (const name of ['data.mdb', 'lock.mdb']) {
    const path = join(directory, name)
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (found === undefined) continue
    if (!found.isFile())
      throw new DriveError('ACCESS_DENIED', `${path} is not a regular file; it was not opened. Move it away.`)
    if (found.uid !== (process.getuid?.() ?? found.uid))
      throw new DriveError('ACCESS_DENIED', `${path} belongs to another user; it was not opened.`)
  }
}

/**
 * Both files may be missing; they are made when they are opened.
 * @throws ACCESS_DENIED as `requireDatabaseFiles`
 * @throws CORRUPT if neither header is one of LMDB, or the file ends before the roots that the newer one names
 */
export function requireDatabase(directory: string): void {
  requireDatabaseFiles(directory)
  const file = open(join(directory, 'data.mdb'))
  if (file === undefined) return
  try {
    if (!isWhole(file)) {
      throw new DriveError(
        'CORRUPT',
        `The local data is damaged: ${join(directory, 'data.mdb')} is not a whole database. What is published can be opened with the recovery phrase in another home.`,
      )
    }
  } finally {
    closeSync(file)
  }
}

function isWhole(file: number): boolean {
  if (!fstatSync(file).isFile()) return false
  const first = readHeader(file, 0)
  // Both headers have the page size; a damaged first one hides where the second is.
  const pageBytes = first?.readUInt32LE(AT.pageBytes) ?? 4096
  const headers = [first, readHeader(file, pageBytes)].filter((one) => one !== undefined)
  const newest = headers.sort((a, b) => (numberAt(a, AT.transaction) < numberAt(b, AT.transaction) ? 1 : -1))[0]
  // Read after the headers: another thread may be writing a newer one.
  const sizeBytes = BigInt(fstatSync(file).size)
  if (newest === undefined) return false
  return [AT.freeRoot, AT.mainRoot]
    .map((at) => numberAt(newest, at))
    .every((page) => page === NO_PAGE || (page + 1n) * BigInt(pageBytes) <= sizeBytes)
}

function readHeader(file: number, at: number): Buffer | undefined {
  const header = Buffer.alloc(HEADER_BYTES)
  const isRead = readSync(file, header, 0, HEADER_BYTES, at) === HEADER_BYTES
  return isRead && header.readUInt32LE(AT.magic) === MAGIC ? header : undefined
}

function numberAt(header: Buffer, at: number): bigint {
  return header.readBigUInt64LE(at)
}

function open(path: string): number | undefined {
  try {
    // Without O_NONBLOCK, a pipe that was put there just now would block the process.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
