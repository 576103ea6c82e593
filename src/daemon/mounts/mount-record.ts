/** Which mounts were asked for, so that a crash can be repaired: written before a mount, removed by its unmount. */
import { readFileIfAny, writePrivateFile } from '../../platform/index.js'
import { type Log } from '../../base/index.js'
import type { MountReport } from '../../api/index.js'

/** The recorded mounts; none when the file is missing or damaged. */
export async function readMountRecord(path: string, log: Log): Promise<MountReport[]> {
  const text = await readFileIfAny(path)
  if (text === undefined) return []
  try {
    const found = JSON.parse(text.toString('utf8')) as MountReport[]
    return found.map(({ directory, readOnly, allowOther }) => ({
      directory: String(directory),
      readOnly: readOnly === true,
      allowOther: allowOther === true,
    }))
  } catch {
    // Nobody but us writes it; losing it loses only the convenience of mounting again by itself.
    log.warn('the record of mounts is damaged and is ignored')
    return []
  }
}

export async function writeMountRecord(path: string, mounts: readonly MountReport[]): Promise<void> {
  await writePrivateFile(path, `${JSON.stringify(mounts)}\n`)
}
