/**
 * Ensures one user of a block store at a time. It is a kernel lock on the open file `lock`, so a dead holder never
 * keeps a store locked, also in a container. The content of the file only tells a refused program who the holder is.
 * Anybody may have written it, so it is validated before any of it is shown.
 */
import { constants } from 'node:fs'
import { lstat, open } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { DriveError } from '../../base/index.js'
import { openRegularFile, readRegularFile, tryLockFile } from '../../platform/index.js'
import { systemErrorName } from './store-error.js'

export interface StoreLock {
  /** The file was not there before. */
  readonly isNew: boolean
  release(): Promise<void>
}

/** Another program may remove its unused store again and again. */
const MOST_TRIES = 10

const MOST_BYTES = 1024
const HOST = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

interface Holder {
  readonly pid: number
  readonly host: string
}

/**
 * @param directory of the store, must exist
 * @returns the lock. Its release keeps the file: only who holds the lock may remove it
 * @throws LOCKED, with the holder if the file's content is well-formed
 */
export async function lockStore(directory: string): Promise<StoreLock> {
  const path = join(directory, 'lock')
  for (let tries = 1; tries <= MOST_TRIES; tries++) {
    const isNew = (await identityOf(path)) === undefined
    const file = await openRegularFile(path, constants.O_RDWR | constants.O_CREAT)
    try {
      if (!(await tryLockFile(file))) throw lockedBy(await readHolder(path), path)
      const { dev, ino } = await file.stat({ bigint: true })
      // A file that was removed meanwhile locks nothing.
      if ((await identityOf(path)) === `${dev}:${ino}`) {
        await file.truncate(0)
        await file.write(JSON.stringify({ pid: process.pid, host: hostname() } satisfies Holder), 0)
        return { isNew, release: () => file.close() }
      }
    } catch (error) {
      await file.close()
      throw error
    }
    await file.close()
  }
  throw lockedBy(undefined, path)
}

async function identityOf(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await lstat(path, { bigint: true })
    return `${dev}:${ino}`
  } catch (error) {
    if (systemErrorName(error) !== 'ENOENT') throw error
    return undefined
  }
}

/**
 * For a removal: it makes no file and writes nothing, so it works on a full disk too.
 * @returns undefined when no regular file is there, so no program serves a store in this folder
 * @throws LOCKED, as `lockStore`
 */
export async function lockIfThere(directory: string): Promise<Pick<StoreLock, 'release'> | undefined> {
  const path = join(directory, 'lock')
  const found = await lstat(path).catch((error: unknown) => {
    if (systemErrorName(error) !== 'ENOENT') throw error
  })
  if (found?.isFile() !== true) return undefined
  const file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    if (!(await tryLockFile(file))) throw lockedBy(await readHolder(path), path)
  } catch (error) {
    await file.close()
    throw error
  }
  return { release: () => file.close() }
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    const bytes = await readRegularFile(path, MOST_BYTES)
    const { pid, host } = JSON.parse(bytes?.toString('utf8') ?? '') as Partial<Record<keyof Holder, unknown>>
    if (!Number.isSafeInteger(pid) || (pid as number) <= 0 || typeof host !== 'string' || !HOST.test(host))
      return undefined
    return { pid: pid as number, host }
  } catch {
    // The file is just being written, or another program wrote it: the holder is unknown.
    return undefined
  }
}

function lockedBy(holder: Holder | undefined, path: string): DriveError {
  if (holder === undefined)
    return new DriveError('LOCKED', 'The block store is in use by another program. Stop that drive first.', {
      about: { path },
    })
  const { pid, host } = holder
  return new DriveError('LOCKED', `The block store is in use by process ${pid} on ${host}. Stop that drive first.`, {
    about: { pid, host, path },
  })
}
