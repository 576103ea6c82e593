/** Repairing what a crash left of the mounts: dead ones go, and those that were asked for come back. */
import type { Log } from '../../base/index.js'
import { clearStale } from '../../fuse/index.js'
import type { Drive } from '../lifecycle/drive.js'
import { readMountRecord, restoreMode, writeMountRecord, type RecordedMount } from './mount-record.js'

/** Needs no drive, so it works when that cannot be opened. They shall not come back either. */
export async function clearDeadMounts(mountsFile: string, log: Log): Promise<void> {
  for (const { directory, bareMode } of await readMountRecord(mountsFile, log)) {
    await clearStale(directory).catch((error: unknown) =>
      log.warn('a dead mount could not be detached', { error: error instanceof Error ? error.message : '' }),
    )
    await restoreMode(directory, bareMode)
  }
  await writeMountRecord(mountsFile, [])
}

/** @returns what went wrong, in a sentence, or undefined */
export async function mountAgain(
  drive: Pick<Drive, 'mountAgain'>,
  wanted: readonly RecordedMount[],
  log: Log,
): Promise<string | undefined> {
  let problem: string | undefined
  for (const mount of wanted) {
    try {
      const { beneath } = await drive.mountAgain(mount)
      log.info('a mount was brought back', { beneath })
      if (beneath > 0) problem = `${mount.directory} has ${beneath} names beneath the mount, written while it was away.`
    } catch (error) {
      const reason = error instanceof Error ? error.message : ''
      problem = `${mount.directory} could not be mounted again: ${reason}`
      log.warn('a mount could not be brought back', { error: reason })
    }
  }
  return problem
}
