/** Cleans up after a crash: detaches dead mounts, and restores the recorded ones. */
import { toWire, type Log } from '../../base/index.js'
import { clearStale } from '../../fuse/index.js'
import type { Drive } from '../lifecycle/drive.js'
import { readMountRecord, restoreMode, writeMountRecord, type RecordedMount } from './mount-record.js'

/**
 * Works without a drive, so also if it cannot be opened. The mounts are not restored later.
 * @param held the directory of a mount that a holder keeps: it is not dead, and stays recorded
 */
export async function clearDeadMounts(mountsFile: string, log: Log, held?: string): Promise<void> {
  const recorded = await readMountRecord(mountsFile, log)
  for (const { directory, bareMode } of recorded) {
    if (directory === held) continue
    await clearStale(directory).catch((error: unknown) =>
      log.warn('a dead mount could not be detached', { error: error instanceof Error ? error.message : '' }),
    )
    await restoreMode(directory, bareMode)
  }
  const kept = recorded.filter(({ directory }) => directory === held)
  if (kept.length === recorded.length) return
  // The next daemon tries again. A full disk must not end the mount that is held.
  await writeMountRecord(mountsFile, kept, log).catch((error: unknown) =>
    log.warn('the record of mounts could not be written', { code: toWire(error).code }),
  )
}

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
