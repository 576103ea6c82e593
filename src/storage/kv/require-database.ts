/**
 * A look at the files of an environment before LMDB opens them. LMDB ends the process where the header is garbage, a
 * page is beyond the end of the file, or the lock file is no file. It follows links, and overwrites what they name.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { DriveError } from '../../base/index.js'

/** Of one of the two headers of the file, which LMDB writes in turn (lmdb-js 3.5, little-endian machines). */
const AT = { magic: 24, pageBytes: 48, freeRoot: 88, mainRoot: 136, transaction: 152 } as const
const HEADER_BYTES = 160
const MAGIC = 0xbeefc0de
/** The root of a tree without rows. */
const NO_PAGE = 0xffff_ffff_ffff_ffffn

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
