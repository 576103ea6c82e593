/** Waits until everything is published, however long the node is away, and reports progress meanwhile. */
import { throwIfAborted, type Clock, isDriveError, sleep } from '../../base/index.js'
import type { TransferProgress } from '../../api/index.js'
import type { Sync, SyncStatus } from '../../sync/index.js'

export interface DrainOptions {
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly progress: (what: TransferProgress) => void
  /**
   * Continue after failures that time may cure, unless nothing waits for the node; otherwise the first failure is
   * thrown.
   */
  readonly persistent: boolean
}

const PROGRESS_EVERY_MS = 200
const LONGEST_WAIT_MS = 15_000
const never = Promise.resolve(false)

/** `unasked`: everything is published as far as this machine knows, and the node did not answer. */
export type Drained = 'confirmed' | 'unasked'

export async function drain(
  sync: Pick<Sync, 'syncNow' | 'status' | 'isAllPublished'>,
  options: DrainOptions,
): Promise<Drained> {
  const { signal, clock, progress } = options
  let waitMs = 500
  let lastSaidMs = -Infinity
  const onProgress = (status: SyncStatus): void => {
    if (clock.monotonicMs() - lastSaidMs < PROGRESS_EVERY_MS) return
    lastSaidMs = clock.monotonicMs()
    progress(progressOf(status))
  }
  const nothingWaits = (): Promise<boolean> =>
    options.persistent ? sync.isAllPublished().catch(() => false) /* not staged, so not published */ : never
  if (sync.status().node.state === 'unreachable' && (await nothingWaits())) return 'unasked'
  for (;;) {
    throwIfAborted(signal)
    try {
      await sync.syncNow({ signal, onProgress })
      return 'confirmed'
    } catch (error) {
      const curable = isDriveError(error) && (error.retry === 'backoff' || error.retry === 'when-online')
      if (!options.persistent || !curable) throw error
      if (await nothingWaits()) return 'unasked'
      progress({ ...progressOf(sync.status()), phase: 'waiting', remainingMs: undefined, lastError: error.message })
      await sleep(waitMs, signal)
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)
    }
  }
}

const PHASES: Readonly<Partial<Record<SyncStatus['phase'], TransferProgress['phase']>>> = {
  restoring: 'restoring',
  uploading: 'uploading',
  pinning: 'publishing',
  naming: 'publishing',
  settling: 'publishing',
  retrying: 'waiting',
  paused: 'waiting',
  refused: 'waiting',
}

function progressOf(status: SyncStatus): TransferProgress {
  return {
    phase: PHASES[status.phase] ?? 'preparing',
    doneBytes: status.bytes.done,
    totalBytes: status.bytes.total,
    remainingMs: status.secondsLeft === undefined ? undefined : status.secondsLeft * 1000,
    lastError: status.lastError?.message,
  }
}

/** Passes progress reports on, at a rate that a person can read. */
export function throttled<What>(say: (what: What) => void, clock: Pick<Clock, 'monotonicMs'>): (what: What) => void {
  let lastMs = -Infinity
  return (what) => {
    if (clock.monotonicMs() - lastMs < PROGRESS_EVERY_MS) return
    lastMs = clock.monotonicMs()
    say(what)
  }
}
