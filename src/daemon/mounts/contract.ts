/** What the daemon asks of its holder, and what a holder keeps for the next daemon. */
import type { MountReport } from '../../api/index.js'
import type { RootKey } from '../../crypto/index.js'

/** A mount whose server died and that the holder keeps alive. */
export interface HeldMount {
  readonly report: MountReport
  /** A duplicated descriptor; the taker owns it. */
  readonly channel: number
  readonly sharedMemory: number
  readonly highest: { readonly ino: number; readonly handle: number }
}

export interface Holder {
  /** The mount it keeps, if the next drive thread or daemon can take it over. */
  readonly held: MountReport | undefined
  /** Operations in the log of that mount. Some of them may be on disk. */
  readonly logged: number
  /**
   * If the holder of the last mount is gone with its log: since when operations that were answered may be lost, in
   * milliseconds since 1970.
   */
  readonly lostSinceMs: number | undefined
  /** Returns the mount for a take-over. */
  take(): HeldMount | undefined
  /** Returns the unlocked key that came with the mount. */
  takeKey(): RootKey | undefined
  /** The shared memory for a new mount, or undefined if there is no holder. */
  prepare(report: MountReport): Promise<number | undefined>
  /** The mount is served: keep its channel and the key from now on. */
  keep(channel: number, key: RootKey): void
  /** The mount has ended, or must not outlive its daemon. */
  drop(): void
  /** Resolves when no holder is being started. None outlives the daemon without a mount. */
  close(): Promise<void>
}
