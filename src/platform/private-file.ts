/** Small private files: written whole, durable and 0600, or not at all. */
import { lstat, mkdir, open, rename, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DriveError, hex, systemRandom } from '../base/index.js'

/**
 * Replaces `path` atomically: file synced, renamed, directory synced. The directory is made 0700 when missing.
 * @throws ACCESS_DENIED where this user may not write; other failures as they are
 */
export async function writePrivateFile(path: string, content: string | Uint8Array): Promise<void> {
  const directory = dirname(path)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const temporary = `${path}.${hex(systemRandom.bytes(6))}.new`
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await unlink(temporary).catch(() => {
      // The temporary file may not exist. The first failure is reported.
    })
    throw isForbidden(error) ? mayNotWrite(path, error) : error
  }
  const parent = await open(directory, 'r')
  try {
    await parent.sync()
  } finally {
    await parent.close()
  }
}

/**
 * Whether no other user can have made `path`. This holds when the path (a symlink itself, not its target) and its
 * directory belong to this user, and nobody else may write in the directory. False when it is missing.
 */
export async function isOurs(path: string): Promise<boolean> {
  const user = process.getuid?.()
  if (user === undefined) return true
  try {
    const [directory, found] = [await stat(dirname(path)), await lstat(path)]
    return directory.uid === user && (directory.mode & 0o022) === 0 && found.uid === user
  } catch {
    // Missing, or in a directory without search permission: not ours in either case.
    return false
  }
}

function isForbidden(error: unknown): boolean {
  return ['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')
}

function mayNotWrite(path: string, cause: unknown): DriveError {
  return new DriveError('ACCESS_DENIED', `${path} could not be written: its folder is not writable for this user.`, {
    cause,
  })
}
