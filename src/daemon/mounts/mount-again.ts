/** Repairing what a crash left of the mounts: dead ones go, and those that were asked for come back. */
import type { MountReport } from '../../api/index.js'
import type { Log } from '../../base/index.js'
import { clearStale } from '../../fuse/index.js'
import type { Drive } from '../lifecycle/drive.js'
import { readMountRecord, writeMountRecord } from './mount-record.js'

/** Needs no drive, so it works when that cannot be opened. @param forget they shall not come back either */
export async function clearDeadMounts(mountsFile: string, forget: boolean, log: Log): Promise<void> {
  for (const { directory } of await readMountRecord(mountsFile, log)) {
    await clearStale(directory).catch((error: unknown) =>
      log.warn('a dead mount could not be detached', { error: error instanceof Error ? error.message : '' }),
    )
  }
  if (forget) await writeMountRecord(mountsFile, [])
}

/** @returns what went wrong, in a sentence, or undefined */
export async function mountAgain(
  drive: Pick<Drive, 'mount'>,
  wanted: readonly MountReport[],
  log: Log,
): Promise<string | undefined> {
  let problem: string | undefined
  for (const mount of wanted) {
    try {
      await drive.mount(mount)
      log.info('a mount was brought back')
    } catch (error) {
      const reason = error instanceof Error ? error.message : ''
      problem = `${mount.directory} could not be mounted again: ${reason}`
      log.warn('a mount could not be brought back', { error: reason })
    }
  }
  return problem
}
