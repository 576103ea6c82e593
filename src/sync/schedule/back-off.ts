/** What failed last, and when to try again. */
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

  /** Clock time of the next try. */
  get nextTryMs(): number | undefined {
    return this.#next?.clockMs
  }

  get isWaiting(): boolean {
    return this.waitMs > 0
  }

  /** Until the next try; 0 when there is nothing to wait for. */
  get waitMs(): number {
    return this.#next === undefined ? 0 : Math.max(0, this.#next.monotonicMs - this.clock.monotonicMs())
  }

  /**
   * What time may cure is tried again soon and then more and more rarely; what a user has to cure, rarely. Space comes
   * back by others' doing, and nobody tells. A try by hand says nothing of how often to try: it delays no later one.
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

  /** Something changed for the better: do not wait for the next try. */
  tryNow(): void {
    this.#next = undefined
  }
}
