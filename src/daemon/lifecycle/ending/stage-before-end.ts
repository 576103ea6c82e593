/** Staging before the daemon ends. A full disk gets time to become free: the memory ends with the daemon. */
import { sleep, systemClock, toWire, type Clock, type Log } from '../../../base/index.js'
import type { Drive } from '../drive.js'

/** One a second, unless the disk is slow. The unit of systemd/ allows ten minutes. */
const TRIES = 60
const WAIT_MS = 1_000
const LONGEST_MS = TRIES * WAIT_MS

export type Staged = Pick<Drive, 'writeBack' | 'flush' | 'counts' | 'takingOver'>

/** What happens meanwhile. */
export interface StagingTold {
  /** Called once, with the reason, if it has to wait. */
  readonly onWait?: (reason: string) => void
  /** Called once with a sentence about dirty pages that the kernel does not send again: they are lost in any case. */
  readonly onLost?: (what: string) => void
}

/**
 * Makes everything `staged`, also what programs wrote through mappings, and tries again for a minute.
 * @returns a sentence about what is lost if the daemon ends now; undefined if everything is staged
 */
export async function stageBeforeEnd(
  drive: Staged | undefined,
  log: Log,
  { onWait, onLost }: StagingTold = {},
  wait: (ms: number) => Promise<void> = sleep,
  clock: Pick<Clock, 'monotonicMs'> = systemClock,
): Promise<string | undefined> {
  // A replay that waits is given up by the closing, which records what is lost.
  if (drive === undefined || drive.takingOver !== undefined) return undefined
  let isLost = false
  const end = clock.monotonicMs() + LONGEST_MS
  for (let tries = 1; ; tries++) {
    try {
      await drive.writeBack().catch((error: unknown) => {
        if (!isLost) onLost?.(describeLost(error))
        isLost = true
        throw error
      })
      await drive.flush()
      return undefined
    } catch (error) {
      const { code, message } = toWire(error)
      if (tries === 1) {
        log.warn('the end waits: not everything could be staged', { code, error: message })
        onWait?.(
          `The daemon is ending, and waits up to ${TRIES} s because not everything can be written to the disk. ${message}`,
        )
      }
      if (tries === TRIES || clock.monotonicMs() >= end) return describe(drive, message)
    }
    await wait(WAIT_MS)
  }
}

function describeLost(error: unknown): string {
  return `When the daemon ended: bytes that programs wrote through mappings of files could not be taken. ${toWire(error).message}`
}

async function describe(drive: Staged, why: string): Promise<string> {
  const held = await drive.counts().then(
    (counts) => `${counts.held.files} files with ${counts.held.bytes} bytes, and the last changes, `,
    () => 'what was only in its memory ', // the drive thread is dead
  )
  return `When the daemon ended: ${held}could not be written to the disk. ${why}`
}

/** Whether the daemon can end by itself: true if nothing is only in its memory. Tries to stage what is. */
export async function canForget(drive: Staged | undefined): Promise<boolean> {
  if (drive === undefined) return true
  return drive.flush().then(
    () => true,
    () => false, // its error is in the status
  )
}
