/** The open drive to mount: opened again when it was opened before another device published. */
import { systemClock, toWire } from '../../base/index.js'
import type { Daemon } from './daemon.js'
import type { Moves } from '../nodes/moves.js'
import type { Drive } from './drive.js'

/** A drive that was opened for this mount has looked already. */
const JUST_OPENED_MS = 5_000
/** A node that needs longer is as good as away. */
const PATIENCE_MS = 20_000

/** @returns also the code of why it is not known whether there is a newer version, when it is not */
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
    // With nothing to publish, this only looks at the heads.
    await sync.syncNow({ signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]) })
  } catch (error) {
    unknown = toWire(error).code
    daemon.log.warn('whether there is a newer version is not known', { code: unknown })
  }
  // A drive that is being moved to another node is not closed beneath that.
  if (sync.status().newer === undefined || moves.isMoving) return withReason(drive, unknown)
  const opened = await daemon.reopen()
  return withReason(opened, opened.newerUnknown)
}

function withReason(drive: Drive, unknown: string | undefined): { drive: Drive; unknown?: string } {
  return unknown === undefined ? { drive } : { drive, unknown }
}
