/**
 * Opens files of the home. A link, pipe, socket, device or folder in place of a file is refused: nothing outside the
 * home is read or written, and no call waits for the other end of a pipe.
 */
import { constants, type Stats } from 'node:fs'
import { lstat, open, type FileHandle } from 'node:fs/promises'
import { DriveError } from '../base/index.js'

/** Much more than any file of the home that is read completely. */
const MOST_BYTES = 4 * 1024 * 1024

const SAFELY = constants.O_NOFOLLOW | constants.O_NONBLOCK

/**
 * ACCESS_DENIED for anything but a regular file, before it is opened. Other errors are those of open(2).
 * @param flags O_RDONLY, O_RDWR, O_CREAT and so on; never O_TRUNC, which would act before the check
 * @param what the subject of error messages, such as "The key file"; the path by default
 */
export async function openHomeFile(path: string, flags: number, what = path): Promise<FileHandle> {
  const before = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })
  if (before !== undefined) requireRegular(before, what)
  // If something else was put there after the check, opening it does not block, and the next check finds it.
  const file = await open(path, flags | SAFELY, 0o600).catch((error: unknown) => {
    throw ['ELOOP', 'ENXIO', 'EISDIR'].includes(codeOf(error) ?? '') ? notRegular(what) : error
  })
  try {
    requireRegular(await file.stat(), what)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

/**
 * The file's bytes, or undefined if there is no file. ACCESS_DENIED for anything but a regular file, CORRUPT for one
 * that is too long; other errors are thrown unchanged.
 */
export async function readHomeFile(path: string): Promise<Buffer | undefined> {
  let file: FileHandle
  try {
    file = await openHomeFile(path, constants.O_RDONLY)
  } catch (error) {
    // ENOTDIR: a file is where a directory would be.
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')) return undefined
    throw error
  }
  try {
    if ((await file.stat()).size > MOST_BYTES) throw new DriveError('CORRUPT', `${path} is too long.`)
    return await file.readFile()
  } finally {
    await file.close()
  }
}

function requireRegular(found: Stats, what: string): void {
  if (found.isSymbolicLink())
    throw new DriveError('ACCESS_DENIED', `${what} is a symbolic link: put the file itself there.`)
  if (!found.isFile()) throw notRegular(what)
}

const notRegular = (what: string): DriveError =>
  new DriveError('ACCESS_DENIED', `${what} is not a regular file; it was not opened. Move it away.`)

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code
