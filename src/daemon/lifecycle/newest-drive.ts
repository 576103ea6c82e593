/** Returns the open drive for a mount. If another device has published since it was opened, it is reopened. */
import { systemClock, toWire } from '../../base/index.js'
import type { Daemon } from './contract.js'
import type { Moves } from '../nodes/moves.js'
import type { Drive } from './drive.js'

/** A drive that was opened this recently has already checked for a newer version. */
const JUST_OPENED_MS = 5_000
/** A slower node counts as offline. */
const PATIENCE_MS = 20_000

/** @returns also the error code if the check for a newer version failed */
export async function newestDrive(
  daemon: Daemon,
  moves: Pick<Moves, 'isMoving'>,
  signal: AbortSignal,
): Promise<{ drive: Drive; unknown?: string }> {
  const drive = await daemon.requireDrive()
  const { mounts, sync } = drive
  if (mounts.length > 0 || moves.isMoving) return { drive }
  if (systemClock.monotonicMs() - drive.openedMs < JUST_OPENED_MS) return withReason(drive, drive.newerUnknown)
  const { dirtyInodes, held } = await drive.counts()
  if (dirtyInodes > 0 || held.files > 0) return { drive }
  if (sync.status().node.state === 'unreachable') return withReason(drive, 'OFFLINE')
  let unknown: string | undefined
  try {
    // Without unpublished changes, this only reads the heads.
    await sync.syncNow({ signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]) })
  } catch (error) {
    unknown = toWire(error).code
    daemon.log.warn('the check for a newer version failed', { code: unknown })
  }
  // A drive that is being moved to another node must not be closed.
  if (sync.status().newer === undefined || moves.isMoving) return withReason(drive, unknown)
  const opened = await daemon.reopen()
  return withReason(opened, opened.newerUnknown)
}

function withReason(drive: Drive, unknown: string | undefined): { drive: Drive; unknown?: string } {
  return unknown === undefined ? { drive } : { drive, unknown }
}
