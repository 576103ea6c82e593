/** Which mounts were asked for, so that a crash can be repaired: written before a mount, removed by its unmount. */
import { chmod } from 'node:fs/promises'
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

/** Gives the directory its mode back, unless something is mounted on it. */
export async function restoreMode(directory: string, mode: number | undefined): Promise<void> {
  if (mode === undefined || (await findMount(directory)) !== undefined) return
  await chmod(directory, mode).catch(() => undefined) // it has gone, or is somebody else's
}
