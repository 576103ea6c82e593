/** Reading files that hold secrets: only those that nobody else can have written or read. */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { DriveError } from '../base/index.js'

/**
 * The text of a small secret file; undefined where there is none. ACCESS_DENIED when it is a symbolic link, no regular
 * file, another user's, or readable by others; CORRUPT when it has more than `mostBytes`.
 * @param what the file as a sentence begins, "The key file"
 */
export async function readPrivateText(path: string, what: string, mostBytes: number): Promise<string | undefined> {
  // Without waiting: a FIFO in its place would hold the reader.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await open(path, flags).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    if (error.code === 'ELOOP')
      throw new DriveError('ACCESS_DENIED', `${what} is a symbolic link: put the file itself there.`)
    throw error
  })
  if (file === undefined) return undefined
  try {
    const found = await file.stat()
    if (!found.isFile()) throw new DriveError('ACCESS_DENIED', `${what} is no ordinary file.`)
    if (found.uid !== (process.getuid?.() ?? found.uid)) {
      throw new DriveError('ACCESS_DENIED', `${what} belongs to another user: whoever made it knows what it holds.`)
    }
    if ((found.mode & 0o077) !== 0) {
      throw new DriveError(
        'ACCESS_DENIED',
        `${what} could be read by others: run chmod 600 on it, and consider it known.`,
      )
    }
    if (found.size > mostBytes) throw new DriveError('CORRUPT', `${what} is too long.`)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}
