/** The node of an open drive, and the sync with it. Both are replaced when the user selects another node. */
import { DriveError, systemClock, systemRandom, toWire, type Log } from '../../../base/index.js'
import type { DriveKeys } from '../../../crypto/index.js'
import type { IpfsNode } from '../../../node/index.js'
import { createCore } from '../../../pipeline/index.js'
import type { DriveConfig, DrivePaths } from '../../../platform/index.js'
import { openPlacedBlocks } from '../../../storage/blocks/index.js'
import type { Environment, EnvironmentReader } from '../../../storage/kv/index.js'
import { LocalBlocks, openSync, type OpenedDrive, type Sync } from '../../../sync/index.js'
import type { DriveWorker } from '../../drive-thread/drive-worker.js'
import { markWhenPublished } from '../../nodes/published-mark.js'

/** What sync of every node of this drive uses. */
export interface SyncParts {
  readonly worker: DriveWorker
  readonly meta: EnvironmentReader
  readonly queue: Environment
  readonly keys: DriveKeys
  readonly config: DriveConfig
  /** The published version that a new tree starts from. */
  readonly start: OpenedDrive | undefined
  readonly paths: DrivePaths
}

export class NodeAndSync {
  #node: IpfsNode
  #sync: Sync | undefined
  #parts: SyncParts | undefined
  #isClosed = false

  constructor(
    node: IpfsNode,
    private readonly log: Log,
  ) {
    this.#node = node
  }

  get node(): IpfsNode {
    return this.#node
  }

  /** Only after `start`. */
  get sync(): Sync {
    if (this.#sync === undefined) throw new DriveError('INTERNAL', 'Sync is not open yet.')
    return this.#sync
  }

  /** The tree has changed. */
  changed(): void {
    this.#sync?.changed()
  }

  async start(parts: SyncParts, isPaused: boolean): Promise<void> {
    this.#parts = parts
    this.#sync = await this.#open(parts, { isProvisional: false, isPaused })
  }

  /** See `Drive.changeNode`. */
  async change(next: IpfsNode, isProvisional: boolean): Promise<void> {
    await this.#closeIfRefused(next)
    await this.closeSync()
    // A failure of the previous node must not leave the drive without sync.
    await this.#node.close().catch((error: unknown) => {
      this.log.warn('the previous node did not close cleanly', { code: toWire(error).code })
    })
    await this.#closeIfRefused(next)
    this.#node = next
    this.#sync = await this.#open(this.#parts!, { isProvisional, isPaused: false })
  }

  /** The drive is closing: no other node is accepted. */
  refuseChanges(): void {
    this.#isClosed = true
  }

  async closeSync(): Promise<void> {
    await this.#sync?.close()
  }

  closeNode(): Promise<void> {
    return this.#node.close()
  }

  async #closeIfRefused(next: IpfsNode): Promise<void> {
    if (!this.#isClosed) return
    await next.close()
    throw new DriveError('ABORTED', 'The drive is closing.')
  }

  async #open(parts: SyncParts, how: { isProvisional: boolean; isPaused: boolean }): Promise<Sync> {
    const { worker, meta, queue, keys, config, start, paths } = parts
    const { deviceSlot, deviceName, debounceMs, scrubBytesPerSecond } = config
    const sync = await openSync({
      port: worker.thread,
      blocks: new LocalBlocks(worker.thread, openPlacedBlocks(paths.dataDirectory)),
      meta,
      queue,
      node: this.#node,
      keys,
      deviceSlot,
      deviceName,
      core: createCore(),
      clock: systemClock,
      random: systemRandom,
      log: this.log,
      ...(start === undefined ? {} : { start }),
      ...how,
      settings: { debounceMs, scrubBytesPerSecond },
    })
    worker.setRemote(sync.remote)
    markWhenPublished(sync, paths.publishedFile, this.log)
    return sync
  }
}
