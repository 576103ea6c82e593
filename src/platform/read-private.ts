/** Reads files that hold secrets, and refuses a file that another user can have written or read. */
import { constants } from 'node:fs'
import { DriveError } from '../base/index.js'
import { openHomeFile } from './home-file.js'

/**
 * The text of a small secret file; undefined where there is none. ACCESS_DENIED when it is a symbolic link, not a
 * regular file, owned by another user, or readable by others. CORRUPT when it is longer than `mostBytes`.
 * @param what the subject of error messages, such as "The key file"
 */
export async function readPrivateText(path: string, what: string, mostBytes: number): Promise<string | undefined> {
  const file = await openHomeFile(path, constants.O_RDONLY, what).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (file === undefined) return undefined
  try {
    const found = await file.stat()
    if (found.uid !== (process.getuid?.() ?? found.uid)) {
      throw new DriveError('ACCESS_DENIED', `${what} belongs to another user, who may know its content.`)
    }
    if ((found.mode & 0o077) !== 0) {
      throw new DriveError(
        'ACCESS_DENIED',
        `${what} is readable by other users: run chmod 600 on it, and assume that others know its content.`,
      )
    }
    if (found.size > mostBytes) throw new DriveError('CORRUPT', `${what} is too long.`)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}
