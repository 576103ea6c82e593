/** The record of requested mounts, for repairs after a crash. Written before a mount, removed by its unmount. */
import { constants } from 'node:fs'
import { open, readlink } from 'node:fs/promises'
import { findMount } from '../../fuse/index.js'
import { readHomeFile, writePrivateFile } from '../../platform/index.js'
import { type Log } from '../../base/index.js'
import type { MountReport } from '../../api/index.js'
import { GUARDED } from './mount-directory.js'

export interface RecordedMount extends MountReport {
  /** The original mode of the directory, to be restored after the unmount. */
  readonly bareMode?: number | undefined
}

/** The recorded mounts; none if the file is missing, damaged, or not a regular file. */
export async function readMountRecord(path: string, log: Log): Promise<RecordedMount[]> {
  try {
    const text = await readHomeFile(path)
    if (text === undefined) return []
    const found = JSON.parse(text.toString('utf8')) as RecordedMount[]
    return found.map(({ directory, readOnly, allowOther, bareMode }) => ({
      directory: String(directory),
      readOnly: readOnly === true,
      allowOther: allowOther === true,
      bareMode: typeof bareMode === 'number' ? bareMode & 0o7777 : undefined,
    }))
  } catch {
    // Only this program writes the file. Without it, mounts are not restored automatically.
    log.warn('the record of mounts is damaged and is ignored')
    return []
  }
}

export async function writeMountRecord(path: string, mounts: readonly RecordedMount[]): Promise<void> {
  await writePrivateFile(path, `${JSON.stringify(mounts)}\n`)
}

/**
 * Restores the mode of the directory, unless something is mounted on it. Something else may be at this path by now. The
 * mode is changed only for a directory that is at exactly this path, without links, and has the mode of a guard.
 * @returns false while something is mounted on the directory; its mode stays
 */
export async function restoreMode(directory: string, mode: number | undefined): Promise<boolean> {
  if (mode === undefined) return true
  if ((await findMount(directory)) !== undefined) return false
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
  const found = await open(directory, flags).catch(() => undefined) // it is gone, or not a directory
  if (found === undefined) return true
  try {
    const isThere = (await readlink(`/proc/self/fd/${String(found.fd)}`)) === directory
    if (isThere && ((await found.stat()).mode & 0o7777) === GUARDED) await found.chmod(mode & 0o777)
  } catch {
    // It belongs to another user, who manages its mode.
  } finally {
    await found.close()
  }
  return true
}
