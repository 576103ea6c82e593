/** The open parts of a drive, and the order in which they end: first the mounts, then the parts, the last one first. */
import type { Log } from '../../../base/index.js'
import type { TakingOver } from '../../mounts/taking-over.js'

export class OpenParts {
  readonly #closers: (() => Promise<void>)[] = []
  #isClosed = false
  /** Detaches the mounts. `remember`: the next daemon restores them. */
  detach: ((remember: boolean) => Promise<void>) | undefined
  takingOver: TakingOver | undefined

  constructor(private readonly log: Log) {}

  push(close: () => Promise<void>): void {
    this.#closers.push(close)
  }

  /**
   * Ends all of them. Only the first call does. @param rememberMounts the next daemon restores the mounts
   * @throws the first failure, after the last part
   */
  async close(rememberMounts: boolean): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    // Programs may need every other part until their mount is detached.
    this.push(async () => this.detach?.(rememberMounts))
    let failure: Error | undefined
    for (const close of this.#closers.splice(0).reverse()) {
      await close().catch((error: unknown) => {
        failure ??= error instanceof Error ? error : new Error(String(error))
        this.log.error('a part of the drive did not close cleanly', { error: failure.message })
      })
    }
    if (failure !== undefined) throw failure
  }
}
