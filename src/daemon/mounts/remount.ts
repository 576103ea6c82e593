/** Restores the recorded mounts after a crash. */
import type { Log } from '../../base/index.js'
import type { Drive } from '../lifecycle/drive.js'
import type { RecordedMount } from './mount-record.js'

/** @returns a sentence about the failure, or undefined */
export async function remountAll(
  drive: Pick<Drive, 'remount'>,
  wanted: readonly RecordedMount[],
  log: Log,
): Promise<string | undefined> {
  let problem: string | undefined
  for (const mount of wanted) {
    try {
      const { beneath } = await drive.remount(mount)
      log.info('a mount was restored', { beneath })
      if (beneath > 0)
        problem = `${mount.directory} has ${beneath} names beneath the mount, written while the drive was not mounted. To move them into the drive: "dagdrive unmount", then "dagdrive up --adopt DIR".`
    } catch (error) {
      const reason = error instanceof Error ? error.message : ''
      problem = `${mount.directory} could not be remounted: ${reason}`
      log.warn('a mount could not be restored', { error: reason })
    }
  }
  return problem
}
