/** The record of requested mounts, for repairs after a crash. Written before a mount, removed by its unmount. */
import { constants } from 'node:fs'
import { open, readlink, unlink } from 'node:fs/promises'
import { findMount } from '../../fuse/index.js'
import { readHomeFile, ReservedFile } from '../../platform/index.js'
import { KIB, toWire, type Log } from '../../base/index.js'
import type { MountReport } from '../../api/index.js'
import { GUARDED } from './mount-directory.js'

/** Reserved on the disk. A longer record, of a very long path, needs space of its own. */
const RECORD_BYTES = 8 * KIB

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

/** One change of a record at a time: its spare is written over. */
let last: Promise<unknown> = Promise.resolve()

const oneAtATime = <T>(change: () => Promise<T>): Promise<T> => {
  const run = last.then(change)
  last = run.catch(() => undefined) // the caller gets the error
  return run
}

/** Reserves space, so that the record can be written on a full disk. A failure is logged. */
export async function reserveMountRecord(path: string, log: Log): Promise<void> {
  await oneAtATime(async () =>
    new ReservedFile(path, RECORD_BYTES).reserve(textOf(await readMountRecord(path, log))),
  ).catch((error: unknown) => log.warn('no space is reserved for the record of mounts', { code: toWire(error).code }))
}

/**
 * Needs no space after `reserveMountRecord`, and none to record that there is no mount. Without that, a full disk
 * leaves a mount unrecorded, and it would not be restored after a crash: this is logged.
 * @throws ACCESS_DENIED if something else is in the place of the file; other failures as they are
 */
export async function writeMountRecord(path: string, mounts: readonly RecordedMount[], log: Log): Promise<void> {
  try {
    await oneAtATime(() => new ReservedFile(path, RECORD_BYTES).write(textOf(mounts)))
  } catch (error) {
    const { code } = toWire(error)
    if (code !== 'NO_SPACE' && code !== 'QUOTA') throw error
    if (mounts.length === 0) return unlink(path)
    log.warn('the record of mounts could not be written', { code })
  }
}

const textOf = (mounts: readonly RecordedMount[]): string => `${JSON.stringify(mounts)}\n`

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
