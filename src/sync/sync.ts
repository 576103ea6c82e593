/**
 * The loop of the upload queue: decides when to publish, handles failures, and reports the status. The work itself is
 * in other files.
 */
import { aborted, DriveError, sharedAbort } from '../base/index.js'
import type { RemoteSource } from '../tree-state/index.js'
import { Checks } from './check/checks.js'
import { DEFAULT_SETTINGS, type Sync, type SyncOptions, type SyncStatus } from './contract.js'
import { DrivePublisher } from './drive-publisher.js'
import { NodeReader } from './fetch/node-reader.js'
import { MissingAtNode } from './lying-node/missing-blocks.js'
import { createRemoteSource, localFirst } from './fetch/remote-source.js'
import { beginAt } from './publish/prepare.js'
import { BackOff } from './schedule/back-off.js'
import { Due } from './schedule/due.js'
import { isAllPublished } from './schedule/is-all-published.js'
import { RoomMaker } from './schedule/make-room.js'
import { NodeHealth } from './schedule/node-health.js'
import { Progress } from './schedule/progress.js'
import { Reporting } from './schedule/reporting.js'
import { Requests } from './schedule/requests.js'
import { Wake } from './schedule/wake.js'
import { SyncState } from './state/sync-state.js'

/** Opens the queue of one drive and starts to process it. The caller closes `options.queue` after `Sync.close`. */
export async function openSync(options: SyncOptions): Promise<Sync> {
  const state = new SyncState(options.queue)
  await beginAt(options.start, options.deviceSlot, state)
  return new DriveSync(options, state)
}

class DriveSync implements Sync {
  readonly remote: RemoteSource
  readonly unconfirmed: Sync['unconfirmed'] = (...given) => this.#checks.unconfirmed(...given)
  readonly check: Sync['check'] = (request) => this.#checks.run(request)
  readonly hearOfDevices: Sync['hearOfDevices'] = (signal) => this.#publisher.hearOfDevices(signal)
  readonly #options: SyncOptions
  readonly #state: SyncState
  readonly #reader: NodeReader
  readonly #publisher: DrivePublisher
  readonly #backOff: BackOff
  readonly #due: Due
  readonly #health: NodeHealth
  readonly #room: RoomMaker
  readonly #requests = new Requests()
  readonly #checks: Checks
  readonly #wake: Wake
  readonly #reporting: Reporting
  readonly #running: Promise<void>
  #work = sharedAbort()
  #isPaused = false
  #isClosed = false
  /** The current turn is a requested try, or waits for the next try. */
  #isByHand = false
  #isWaitingOut = false

  constructor(options: SyncOptions, state: SyncState) {
    const settings = { ...DEFAULT_SETTINGS, ...options.settings }
    const { clock } = options
    this.#options = options
    this.#isPaused = options.isPaused === true
    this.#state = state
    this.#wake = new Wake(clock)
    const health = (this.#health = new NodeHealth({
      ...options,
      settings,
      isWaiting: () => this.#isWaiting(),
      onChange: (isBack) => this.#nodeChanged(isBack),
    }))
    const reader = (this.#reader = new NodeReader({ ...options, ...settings, health }))
    const fetch = localFirst(state, reader)
    const progress = new Progress(clock)
    const missing = new MissingAtNode(() => this.#publisher.looks.doubt())
    this.remote = missing.named(createRemoteSource(reader, fetch, state))
    const backOff = (this.#backOff = new BackOff(clock, settings))
    const due = (this.#due = new Due(clock, settings))
    const room = (this.#room = new RoomMaker(options, state, due))
    const publisher = (this.#publisher = new DrivePublisher({
      options,
      settings,
      state,
      fetch,
      reader,
      progress,
      health,
      wake: () => this.#wake.now(),
      room,
      due,
      requests: this.#requests,
      beforeBuild: (signal) => this.#checks.beforeBuild(signal),
      onPhase: (phase) => this.#reporting.enter(phase),
      onProgress: () => this.#reporting.progressed(),
    }))
    const publish = (signal: AbortSignal): Promise<void> => {
      this.#publisher.forgetHeld()
      return this.syncNow({ signal })
    }
    const checks = (this.#checks = new Checks({ ...options, state, publisher, publish }, settings))
    this.#reporting = new Reporting({ clock, state, publisher, progress, backOff, health, checks, missing })
    health.start()
    this.#running = this.#run()
  }

  status(): SyncStatus {
    return this.#reporting.status()
  }

  syncNow({ signal, onProgress }: Parameters<Sync['syncNow']>[0] = {}): Promise<void> {
    if (this.#isClosed) return Promise.reject(new DriveError('ABORTED', 'The drive is closing.'))
    if (this.#isPaused) return Promise.reject(new DriveError('BUSY', 'Sync is paused; resume it first.'))
    if (signal?.aborted === true) return Promise.reject(aborted(signal))
    const stopListening = onProgress === undefined ? undefined : this.onChange(onProgress)
    const done = this.#requests.add(signal)
    this.#wake.now()
    return done.finally(() => stopListening?.())
  }

  pause(): void {
    this.#isPaused = true
    this.#work.abort()
    this.#requests.settle(new DriveError('ABORTED', 'Sync was paused.'))
    this.#wake.now()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#backOff.tryNow()
    this.#wake.now()
  }

  async isAllPublished(): Promise<boolean> {
    if (this.status().isLostByNode || this.#publisher.isProvisional) return false
    return isAllPublished({ ...this.#options, state: this.#state })
  }

  keepNode(): void {
    this.#publisher.keepNode()
    this.#wake.now()
  }

  changed(): void {
    this.#due.changed()
    this.#wake.now()
  }

  onChange(listener: (status: SyncStatus) => void): () => void {
    return this.#reporting.listen(listener)
  }

  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true
      this.#work.abort()
      this.#reader.close()
      this.#wake.now()
    }
    await Promise.all([this.#checks.close(), this.#running, this.#health.close()])
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      const sleepMs = await this.#turn().catch((error: unknown) => this.#failed(error))
      if (!this.#isClosed) await this.#wake.wait(this.#requests.isEmpty ? sleepMs : 0)
    }
    this.#requests.settle(new DriveError('ABORTED', 'The drive is closing.'))
    this.#reporting.enter('closed')
  }

  /** @returns milliseconds until the next turn; a change, a caller, or the node coming back ends the wait early */
  async #turn(): Promise<number> {
    this.#isWaitingOut = false
    if (this.#isPaused) {
      this.#reporting.enter('paused')
      return Infinity
    }
    this.#work = sharedAbort()
    const { signal } = this.#work
    this.#isByHand = !this.#requests.isEmpty
    if (!this.#isByHand && this.#backOff.isWaiting) return this.#waitOut(signal)
    const dueInMs = this.#isByHand ? 0 : await this.#dueInMs()
    if (dueInMs === 0) {
      await this.#room.around(() => this.#publisher.publish(signal), signal)
      this.#succeeded()
      await this.#room.afterPublishing(signal)
      // The debounce already knows of changes made during the publish.
      return 0
    }
    if (await this.#publisher.keepUp(signal)) this.#succeeded()
    return Math.min(dueInMs, this.#publisher.keepUpInMs)
  }

  async #waitOut(signal: AbortSignal): Promise<number> {
    this.#isWaitingOut = true
    await this.#room.whileWaiting(signal)
    return Math.min(this.#backOff.waitMs, this.#due.needsRoomInMs)
  }

  async #dueInMs(): Promise<number> {
    const { plan } = this.#publisher
    if (plan !== undefined) return plan.isFinal ? Infinity : 0
    const counts = await this.#options.port.counts()
    const inMs = this.#due.inMs(counts, this.#state.head === undefined)
    if (inMs > 0) this.#reporting.enter(counts.dirtyInodes === 0 ? 'idle' : 'waiting')
    return inMs
  }

  /** Unpublished changes, a failed try, or a caller. */
  #isWaiting(): boolean {
    return !this.#requests.isEmpty || this.#backOff.lastError !== undefined || this.#reporting.phase === 'waiting'
  }

  #nodeChanged(isBack: boolean): void {
    if (this.#health.state === 'reachable') this.#reader.online()
    if (isBack) {
      this.#backOff.tryNow()
      this.#publisher.looks.doubt()
    }
    this.#reporting.changed()
  }

  #succeeded(): void {
    this.#backOff.succeeded()
    this.#health.succeeded()
    this.#checks.look()
    if (this.#reporting.phase !== 'waiting') this.#reporting.enter('idle')
  }

  /**
   * @returns how long to sleep; 0 on the first failure, because the next turn handles a full disk during the back-off
   */
  #failed(error: unknown): number {
    if (this.#isClosed || this.#isPaused) return 0
    this.#publisher.forgetHeld()
    const retryInMs = this.#backOff.failed(error, { byHand: this.#isByHand })
    const { code, message } = this.#backOff.lastError!
    this.#health.failed(error)
    this.#options.log.warn('publishing failed', { code, message, retryInMs })
    this.#requests.settle(error instanceof Error ? error : new DriveError('INTERNAL', String(error)))
    this.#reporting.enter(code === 'DIVERGED' || code === 'ROLLED_BACK' ? 'refused' : 'retrying')
    return this.#isWaitingOut ? retryInMs : 0
  }
}
