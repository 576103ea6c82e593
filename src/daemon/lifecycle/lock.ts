/**
 * One daemon for each home. The lock is a flock on an open file, so the kernel releases it when the process ends in any
 * way, and a stale pid does not matter. The content of the file only names the holder.
 */
import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { DriveError } from '../../base/index.js'
import { openHomeFile, readHomeFile, tryLockFile } from '../../platform/index.js'

/** The file always has this size, so its block stays on the disk, and no full disk keeps a daemon from its lock. */
const LOCK_BYTES = 512

export interface HeldLock {
  release(): Promise<void>
}

/** The holder named in the lock file. This is a hint; it may be older than the lock. */
export interface LockHolder {
  readonly pid: number
  readonly socket: string
  /** A service manager started it, and starts the next one after a kill. */
  readonly isManaged?: boolean
}

/**
 * The file stays when the lock is released, because removing it would allow two locks.
 * @throws LOCKED if another process holds it
 */
export async function holdLock(path: string, holder: LockHolder): Promise<HeldLock> {
  const file = await openHomeFile(path, constants.O_RDWR | constants.O_CREAT)
  try {
    if (!(await tryLockFile(file))) throw new DriveError('LOCKED', `Another dagdrive daemon uses this home (${path}).`)
    await writeOver(file, JSON.stringify(holder))
  } catch (error) {
    await file.close()
    throw error
  }
  return {
    async release() {
      // What is left after a kill says who starts the next daemon.
      await writeOver(file, '').finally(() => file.close())
    },
  }
}

async function writeOver(file: FileHandle, text: string): Promise<void> {
  const bytes = Buffer.from(`${text.padEnd(LOCK_BYTES - 1)}\n`)
  await file.write(bytes, 0, bytes.length, 0)
  await file.truncate(bytes.length)
}

export async function readLockHolder(path: string): Promise<LockHolder | undefined> {
  try {
    const text = (await readHomeFile(path))?.toString('utf8') ?? ''
    const found = JSON.parse(text) as Partial<LockHolder>
    return typeof found.pid === 'number' && typeof found.socket === 'string'
      ? { pid: found.pid, socket: found.socket }
      : undefined
  } catch {
    // There is no file, or it is being written.
    return undefined
  }
}
