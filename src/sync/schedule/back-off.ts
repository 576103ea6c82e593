/** The last failure, and the time of the next try (exponential back-off). */
import { DriveError, isDriveError, toWire, type Clock, type WireError } from '../../base/index.js'
import type { SyncSettings } from '../contract.js'

export class BackOff {
  #failures = 0
  #error: WireError | undefined
  #next: { readonly monotonicMs: number; readonly clockMs: number } | undefined

  constructor(
    private readonly clock: Clock,
    private readonly settings: Pick<SyncSettings, 'firstRetryMs' | 'lastRetryMs'>,
  ) {}

  /** Undefined after a success. */
  get lastError(): WireError | undefined {
    return this.#error
  }

  /** Wall clock time of the next try. */
  get nextTryMs(): number | undefined {
    return this.#next?.clockMs
  }

  get isWaiting(): boolean {
    return this.waitMs > 0
  }

  /** Milliseconds until the next try; 0 when nothing failed. */
  get waitMs(): number {
    return this.#next === undefined ? 0 : Math.max(0, this.#next.monotonicMs - this.clock.monotonicMs())
  }

  /**
   * Errors that time may cure are retried soon, then ever more rarely. Errors that a user has to cure are retried
   * rarely. NO_SPACE counts as curable by time: other programs may free space, and nobody reports it. A manual try does
   * not increase the delay.
   * @returns the delay until the next try
   */
  failed(error: unknown, { byHand = false }: { readonly byHand?: boolean } = {}): number {
    const { firstRetryMs, lastRetryMs } = this.settings
    const retry = error instanceof DriveError ? error.retry : 'backoff'
    const isCurable = retry === 'backoff' || retry === 'when-online' || isDriveError(error, 'NO_SPACE')
    const delayMs = isCurable ? Math.min(lastRetryMs, firstRetryMs * 2 ** Math.min(this.#failures, 20)) : lastRetryMs
    this.#error = toWire(error)
    if (byHand && this.#next !== undefined) return this.waitMs
    if (!byHand) this.#failures++
    this.#next = { monotonicMs: this.clock.monotonicMs() + delayMs, clockMs: this.clock.nowMs() + delayMs }
    return delayMs
  }

  succeeded(): void {
    this.#failures = 0
    this.#error = undefined
    this.#next = undefined
  }

  /** The situation improved: do not wait for the back-off. */
  tryNow(): void {
    this.#next = undefined
  }
}
