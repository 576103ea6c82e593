/** What commands learn of a locked drive without its key, and the end of its dead mounts. */
import type { MountReport, UnmountReport, UnmountRequest } from '../../api/index.js'
import { DriveError, isDriveError } from '../../base/index.js'
import type { Daemon } from '../lifecycle/contract.js'
import type { Drive } from '../lifecycle/drive.js'
import { isMarkedAllPublished } from '../lifecycle/ending/all-published-mark.js'
import { resolveFully } from '../mounts/mount-directory.js'

/** Whether the drive is locked and not known to have everything published. */
export async function mayBeStaged({ state, paths }: Pick<Daemon, 'state' | 'paths'>): Promise<boolean> {
  return state === 'locked' && !(await isMarkedAllPublished(paths.dataDirectory))
}

/** The dead mounts of a drive that is not open. One that waits for its opening is alive. */
export async function deadMountsOf({
  state,
  deadMounts,
}: Pick<Daemon, 'state' | 'deadMounts'>): Promise<readonly MountReport[]> {
  return state === 'locked' || state === 'failed' ? deadMounts.list() : []
}

/** The drive for `unmount`; undefined if it is locked, and nothing is to be uploaded. */
export async function openUnlessLeft(
  daemon: Pick<Daemon, 'state' | 'requireOpen' | 'requireDrive'>,
  { now, force }: UnmountRequest,
): Promise<Drive | undefined> {
  try {
    return await (force === true ? daemon.requireOpen() : daemon.requireDrive())
  } catch (error) {
    if (now !== true && force !== true) throw error
    if (!isDriveError(error, 'LOCKED') || daemon.state !== 'locked') throw error
    return undefined
  }
}

/**
 * `unmount --now` of a locked drive: its mounts are dead, and are detached.
 * @throws NOT_MOUNTED if a directory is given where it had none
 */
export async function leaveLocked(
  daemon: Pick<Daemon, 'state' | 'paths' | 'deadMounts'>,
  directory: string | undefined,
): Promise<UnmountReport> {
  await daemon.deadMounts.detach()
  const unmounted = daemon.deadMounts.takeDetached()
  if (directory !== undefined && !unmounted.includes(await resolveFully(directory)))
    throw new DriveError('NOT_MOUNTED', `The drive is locked and not mounted at ${directory}.`)
  return {
    unmounted,
    staged: { files: 0, bytes: 0 },
    stopped: undefined,
    locked: true,
    mayBeStaged: await mayBeStaged(daemon),
    endingPid: undefined,
  }
}
