/**
 * One daemon a home. The lock is the kernel's (flock on an open file), so it vanishes with the process however that
 * ends, and no stale pid can stand in the way. The file's content only says who holds it.
 */
import { open, readFile } from 'node:fs/promises'
import { DriveError } from '../../base/index.js'
import { tryLockFile } from '../../platform/index.js'

export interface HeldLock {
  release(): Promise<void>
}

/** What the lock file says of its holder; a hint, as it may be older than the lock. */
export interface LockHolder {
  readonly pid: number
  readonly socket: string
}

/** LOCKED when another process holds it. The file stays when released: removing it would split the lock. */
export async function holdLock(path: string, holder: LockHolder): Promise<HeldLock> {
  const file = await open(path, 'a+', 0o600)
  try {
    if (!(await tryLockFile(file))) throw new DriveError('LOCKED', `Another dagdrive daemon uses this home (${path}).`)
    await file.truncate(0)
    await file.writeFile(`${JSON.stringify(holder)}\n`)
  } catch (error) {
    await file.close()
    throw error
  }
  return { release: () => file.close() }
}

export async function readLockHolder(path: string): Promise<LockHolder | undefined> {
  try {
    const found = JSON.parse(await readFile(path, 'utf8')) as Partial<LockHolder>
    return typeof found.pid === 'number' && typeof found.socket === 'string'
      ? { pid: found.pid, socket: found.socket }
      : undefined
  } catch {
    // No file, or one that is being written: nobody known.
    return undefined
  }
}
