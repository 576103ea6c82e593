/** The response to a full disk, apart from the publish at once that frees the space of removed files. */
import { isDriveError, toWire, type Log } from '../../base/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { DrivePort } from '../../tree-state/index.js'
import { abandonPlan } from '../publish/abandon-plan.js'
import type { Due } from './due.js'
import type { SyncState } from '../state/sync-state.js'

/** A store of ours is collected when at least this share of it is garbage. */
const GARBAGE_SHARE = 0.25

export interface RoomOptions {
  readonly port: Pick<DrivePort, 'counts' | 'discardUnpublished' | 'giveBack' | 'freeze' | 'resume'>
  readonly node: Pick<IpfsNode, 'capabilities' | 'collectGarbage'>
  readonly log: Log
}

export class RoomMaker {
  readonly #options: RoomOptions
  readonly #state: SyncState
  readonly #due: Due
  /** An upload was abandoned, so the node may already hold some blocks of the next one. */
  hasGivenUp = false

  constructor(options: RoomOptions, state: SyncState, due: Due) {
    this.#options = options
    this.#state = state
    this.#due = due
  }

  async around(publish: () => Promise<void>, signal: AbortSignal): Promise<void> {
    try {
      await publish().catch(async (error: unknown) => {
        if (!isDriveError(error, 'NO_SPACE') || !(await this.#hasCollectedForUpload(signal))) throw error
        await publish()
      })
      this.hasGivenUp = false
      if (this.#due.isShortOfSpace) await this.#collectGarbage(signal)
      this.#due.published()
    } catch (error) {
      if (isDriveError(error, 'NO_SPACE')) await this.#makeRoom(signal)
      throw error
    }
  }

  /**
   * Collects garbage in a store of ours when that is worth it. Other nodes collect on their own schedule. After a
   * failure, the next call tries again.
   */
  async afterPublishing(signal: AbortSignal): Promise<void> {
    if (!this.#isStoreOfOurs) return
    try {
      await this.#options.node.collectGarbage({ signal, leastShare: GARBAGE_SHARE })
    } catch (error) {
      if (isDriveError(error, 'ABORTED')) throw error
      this.#options.log.warn('garbage was not collected', { code: toWire(error).code })
    }
  }

  /** Publishing is in back-off, but a full disk needs help now. */
  async whileWaiting(signal: AbortSignal): Promise<void> {
    if (!this.#due.needsRoom(await this.#options.port.counts())) return
    await this.#makeRoom(signal)
    this.#due.published()
  }

  /**
   * No version can be published now. If this machine's disk is full, the upload is abandoned: its plan may hold blocks
   * of files that were removed since, and would keep their space from being freed. The next upload starts from the
   * beginning. If another machine's disk is full, this helps only if the tree has changed since: the upload may have
   * been too large for that disk, and the tree may be smaller now.
   */
  async #makeRoom(signal: AbortSignal): Promise<void> {
    const { port, log } = this.#options
    const state = this.#state
    try {
      const isFullHere = this.#isOnThisDisk || (await port.counts()).isShortOfSpace
      if (!isFullHere && !(await this.#hasChangedSincePlan())) return
      if (state.plan?.phase === 'sending') {
        this.hasGivenUp = true
        await abandonPlan(state, port)
      }
      if (state.plan === undefined) await port.discardUnpublished()
      await this.#collectGarbage(signal)
    } catch (error) {
      log.warn('no room could be made', { code: toWire(error).code })
    }
  }

  async #hasChangedSincePlan(): Promise<boolean> {
    const { plan } = this.#state
    if (plan?.phase !== 'sending') return false
    const { port } = this.#options
    const { sequence } = await port.freeze()
    await port.resume()
    return sequence > plan.sequence
  }

  /** @returns whether a retry can help; blocks this upload has sent are kept */
  async #hasCollectedForUpload(signal: AbortSignal): Promise<boolean> {
    if (!this.#isStoreOfOurs) return false
    const { outgoing } = this.#state.tables
    const keep = (digest: Uint8Array): boolean => outgoing.get(digest) !== undefined
    await this.#options.node.collectGarbage({ signal, keep, isThorough: true })
    return true
  }

  /** Collects garbage in the embedded node, whose store may be on the same disk. */
  async #collectGarbage(signal: AbortSignal): Promise<void> {
    if (this.#isOnThisDisk) await this.#options.node.collectGarbage({ signal })
  }

  get #isOnThisDisk(): boolean {
    return this.#options.node.capabilities.isBesideData
  }

  get #isStoreOfOurs(): boolean {
    return this.#options.node.capabilities.isOwnStore
  }
}
