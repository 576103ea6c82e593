/**
 * Opens files of a folder that another person may have prepared, such as a disk that was handed over. A link, a device
 * or a pipe in place of a file is refused before it is opened. So nothing outside the folder is read or written, and no
 * call blocks.
 */
import { constants, type Stats } from 'node:fs'
import { lstat, open, type FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'
import { DriveError } from '../base/index.js'

/**
 * Opens a regular file without following a link. Other errors are those of open(2).
 * @param flags O_RDONLY, O_RDWR, O_CREAT and so on; never O_TRUNC, which would act before the check
 * @throws INVALID for anything but a regular file, and for a file with a second hard link
 */
export async function openRegularFile(path: string, flags: number, mode = 0o600): Promise<FileHandle> {
  const before = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })
  if (before !== undefined) requireRegular(before, path)
  // O_NONBLOCK: otherwise open would block on a pipe that was put there after the check.
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

/**
 * The first `limitBytes` of a regular file, undefined when there is none. Refuses the same files as `openRegularFile`.
 */
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

/**
 * The lstat(2) result of a regular file. Refuses the same files as `openRegularFile`.
 * @param mayBeShared accepts further hard links
 */
export async function statRegularFile(path: string, mayBeShared = false): Promise<Stats> {
  const found = await lstat(path)
  if (!mayBeShared || !found.isFile()) requireRegular(found, path)
  return found
}

/** Throws INVALID unless `path` is a directory. A link to a directory is refused. */
export async function requireDirectory(path: string): Promise<void> {
  if ((await lstat(path)).isDirectory()) return
  throw new DriveError('INVALID', 'A link or a file is in the place of a folder.', { about: { name: basename(path) } })
}

function requireRegular(found: Stats, path: string): void {
  if (!found.isFile() || found.nlink > 1) throw notRegular(path)
}

function notRegular(path: string): DriveError {
  return new DriveError('INVALID', 'A link, device or pipe is in the place of a file; it was not opened.', {
    about: { name: basename(path) },
  })
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
