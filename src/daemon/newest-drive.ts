/** The open drive to mount: opened again when it was opened before another device published. */
import { systemClock, toWire } from '../base/index.js'
import type { Daemon } from './daemon.js'
import type { Drive } from './drive.js'

/** A drive that was opened for this mount has looked already. */
const JUST_OPENED_MS = 5_000
/** A node that needs longer is as good as away. */
const PATIENCE_MS = 20_000

export async function newestDrive(daemon: Daemon, signal: AbortSignal): Promise<Drive> {
  const drive = await daemon.requireDrive()
  const { mounts, sync } = drive
  if (mounts.length > 0 || systemClock.monotonicMs() - drive.openedMs < JUST_OPENED_MS) return drive
  const { dirtyInodes, held } = await drive.counts()
  if (dirtyInodes > 0 || held.files > 0 || sync.status().node.online === false) return drive
  try {
    // With nothing to publish, this only looks at the heads.
    await sync.syncNow({ signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]) })
  } catch (error) {
    daemon.log.warn('whether there is a newer version is not known', { code: toWire(error).code })
  }
  return sync.status().newer === undefined ? drive : daemon.reopen()
}
