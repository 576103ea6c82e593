/** A full disk: what sync does about it, besides publishing at once, which gives back the space of what was removed. */
import { isDriveError, toWire, type Log } from '../../base/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { DrivePort } from '../../tree-state/index.js'
import { abandonPlan } from '../publish/abandon-plan.js'
import type { Due } from './due.js'
import type { SyncState } from '../state/sync-state.js'

/** A store of ours is collected when at least this share of it is garbage. */
const GARBAGE_SHARE = 0.25

export interface RoomOptions {
  readonly port: Pick<DrivePort, 'counts' | 'discardUnpublished' | 'giveBack'>
  readonly node: Pick<IpfsNode, 'capabilities' | 'collectGarbage'>
  readonly log: Log
}

export class RoomMaker {
  readonly #options: RoomOptions
  readonly #state: SyncState
  readonly #due: Due
  /** An upload was given up: the node may have some of the next one. */
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
   * A store of ours is asked to collect when it is worth it; other nodes collect when they like. A failure here is for
   * the next time.
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

  /** While publishing has to wait, a full disk has not. */
  async whileWaiting(signal: AbortSignal): Promise<void> {
    if (!this.#due.needsRoom(await this.#options.port.counts())) return
    await this.#makeRoom(signal)
    this.#due.published()
  }

  /**
   * No version can be published now. Where it is this machine's disk that is full, an upload is given up, as it may
   * hold what was removed since and would keep that from being given back; the next one begins anew. A full disk
   * elsewhere waits for its owner.
   */
  async #makeRoom(signal: AbortSignal): Promise<void> {
    const { port, log } = this.#options
    const state = this.#state
    try {
      if (!this.#isOnThisDisk && !(await port.counts()).isShortOfSpace) return
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

  /** @returns whether trying again can help; what the upload has sent stays there */
  async #hasCollectedForUpload(signal: AbortSignal): Promise<boolean> {
    if (!this.#isStoreOfOurs) return false
    const { outgoing } = this.#state.tables
    const keep = (digest: Uint8Array): boolean => outgoing.get(digest) !== undefined
    await this.#options.node.collectGarbage({ signal, keep, isThorough: true })
    return true
  }

  /** The embedded node, which may lie on the same disk, lets go of what no version needs. */
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
