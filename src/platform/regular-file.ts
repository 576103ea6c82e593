/**
 * Files of a folder that somebody else may have prepared, such as a disk that was handed over: a link, a device or a
 * pipe in the place of a file is refused before it is opened, so that nothing outside the folder is read, written or
 * waited for.
 */
import { constants, type Stats } from 'node:fs'
import { lstat, open, type FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'
import { DriveError } from '../base/index.js'

/**
 * Opens a regular file without following a link. Other failures are those of open(2).
 * @param flags O_RDONLY, O_RDWR, O_CREAT and so on; never O_TRUNC, which would act before the check
 * @throws INVALID for anything that is no regular file, or that has a second name elsewhere
 */
export async function openRegularFile(path: string, flags: number, mode = 0o600): Promise<FileHandle> {
  const before = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })
  if (before !== undefined) requireRegular(before, path)
  // O_NONBLOCK: a pipe put there since would otherwise be waited for.
  const file = await open(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, mode).catch((error: unknown) => {
    throw codeOf(error) === 'ELOOP' ? notRegular(path) : error
  })
  try {
    requireRegular(await file.stat(), path)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

/** The first `limitBytes` of a regular file, undefined when there is none. Same refusals as `openRegularFile`. */
export async function readRegularFile(path: string, limitBytes: number): Promise<Buffer | undefined> {
  let file: FileHandle
  try {
    file = await openRegularFile(path, constants.O_RDONLY)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    const bytes = Buffer.alloc(Math.min(limitBytes, (await file.stat()).size))
    let done = 0
    while (done < bytes.length) {
      const { bytesRead } = await file.read(bytes, done, bytes.length - done, done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return bytes.subarray(0, done)
  } finally {
    await file.close()
  }
}

/** What lstat(2) says of a regular file. Same refusals as `openRegularFile`. */
export async function statRegularFile(path: string): Promise<Stats> {
  const found = await lstat(path)
  requireRegular(found, path)
  return found
}

/** Throws INVALID unless `path` itself, not what a link names, is a directory. */
export async function requireDirectory(path: string): Promise<void> {
  if ((await lstat(path)).isDirectory()) return
  throw new DriveError('INVALID', 'A link or a file is where a folder has to be.', { about: { name: basename(path) } })
}

function requireRegular(found: Stats, path: string): void {
  if (!found.isFile() || found.nlink > 1) throw notRegular(path)
}

function notRegular(path: string): DriveError {
  return new DriveError(
    'INVALID',
    'Something other than an ordinary file is where a file has to be; it was not opened.',
    {
      about: { name: basename(path) },
    },
  )
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
