/** Which mounts were asked for, so that a crash can be repaired: written before a mount, removed by its unmount. */
import { constants } from 'node:fs'
import { open, readlink } from 'node:fs/promises'
import { findMount } from '../../fuse/index.js'
import { readFileIfAny, writePrivateFile } from '../../platform/index.js'
import { type Log } from '../../base/index.js'
import type { MountReport } from '../../api/index.js'

export interface RecordedMount extends MountReport {
  /** The mode of the directory itself, to be given back when the mount has gone. */
  readonly bareMode?: number | undefined
}

/** The recorded mounts; none when the file is missing or damaged. */
export async function readMountRecord(path: string, log: Log): Promise<RecordedMount[]> {
  const text = await readFileIfAny(path)
  if (text === undefined) return []
  try {
    const found = JSON.parse(text.toString('utf8')) as RecordedMount[]
    return found.map(({ directory, readOnly, allowOther, bareMode }) => ({
      directory: String(directory),
      readOnly: readOnly === true,
      allowOther: allowOther === true,
      bareMode: typeof bareMode === 'number' ? bareMode & 0o7777 : undefined,
    }))
  } catch {
    // Nobody but us writes it; losing it loses only the convenience of mounting again by itself.
    log.warn('the record of mounts is damaged and is ignored')
    return []
  }
}

export async function writeMountRecord(path: string, mounts: readonly RecordedMount[]): Promise<void> {
  await writePrivateFile(path, `${JSON.stringify(mounts)}\n`)
}

/** What a mount gives the directory beneath it. */
const GUARDED = 0o500

/**
 * Gives the directory its mode back, unless something is mounted on it. Others may have put something else at its path:
 * only a directory that is at exactly this path, without links, and has the mode a mount gave it, is touched.
 */
export async function restoreMode(directory: string, mode: number | undefined): Promise<void> {
  if (mode === undefined || (await findMount(directory)) !== undefined) return
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
  const found = await open(directory, flags).catch(() => undefined) // it has gone, or is no directory
  if (found === undefined) return
  try {
    const isThere = (await readlink(`/proc/self/fd/${String(found.fd)}`)) === directory
    if (isThere && ((await found.stat()).mode & 0o7777) === GUARDED) await found.chmod(mode & 0o777)
  } catch {
    // It is somebody else's, who gives it its rights.
  } finally {
    await found.close()
  }
}
