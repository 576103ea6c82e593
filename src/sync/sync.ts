/**
 * The loop of the upload queue: decides when to publish, handles failures, and reports the status. The work itself is
 * in other files.
 */
import { aborted, DriveError } from '../base/index.js'
import type { RemoteSource } from '../tree-state/index.js'
import { Checks } from './check/checks.js'
import {
  type CheckReport,
  type CheckRequest,
  DEFAULT_SETTINGS,
  type Sync,
  type SyncOptions,
  type SyncPhase,
  type SyncStatus,
} from './contract.js'
import { DrivePublisher } from './drive-publisher.js'
import { NodeReader } from './fetch/node-reader.js'
import { createRemoteSource, localFirst } from './fetch/remote-source.js'
import { beginAt } from './publish/prepare.js'
import { BackOff } from './schedule/back-off.js'
import { Due } from './schedule/due.js'
import { implausibleClock } from './schedule/implausible-clock.js'
import { RoomMaker } from './schedule/make-room.js'
import { NodeHealth } from './schedule/node-health.js'
import { Progress } from './schedule/progress.js'
import { Requests } from './schedule/requests.js'
import { statusOf } from './schedule/status-of.js'
import { Wake } from './schedule/wake.js'
import { SyncState } from './state/sync-state.js'

/** Opens the queue of one drive and starts to process it. The caller closes `options.queue` after `Sync.close`. */
export async function openSync(options: SyncOptions): Promise<Sync> {
  const state = new SyncState(options.queue)
  await beginAt(options.start, options.deviceSlot, state)
  return new DriveSync(options, state)
}

const PROGRESS_EVERY_MS = 200

class DriveSync implements Sync {
  readonly remote: RemoteSource
  readonly #options: SyncOptions
  readonly #state: SyncState
  readonly #reader: NodeReader
  readonly #publisher: DrivePublisher
  readonly #progress: Progress
  readonly #backOff: BackOff
  readonly #due: Due
  readonly #health: NodeHealth
  readonly #room: RoomMaker
  readonly #requests = new Requests()
  readonly #checks: Checks
  readonly #wake: Wake
  readonly #listeners = new Set<(status: SyncStatus) => void>()
  readonly #running: Promise<void>
  #work = new AbortController()
  #phase: SyncPhase = 'idle'
  #isPaused = false
  #isClosed = false
  /** The current turn is a requested try, or waits for the next try. */
  #isByHand = false
  #isWaitingOut = false
  #lastEmitMs = -Infinity

  constructor(options: SyncOptions, state: SyncState) {
    const settings = { ...DEFAULT_SETTINGS, ...options.settings }
    const { clock } = options
    this.#options = options
    this.#state = state
    this.#wake = new Wake(clock)
    this.#health = new NodeHealth({
      ...options,
      settings,
      isWaiting: () => this.#isWaiting(),
      onChange: (isBack) => this.#nodeChanged(isBack),
    })
    this.#reader = new NodeReader({ ...options, ...settings, health: this.#health })
    const fetch = localFirst(state, this.#reader)
    this.#progress = new Progress(clock)
    this.remote = createRemoteSource(this.#reader, fetch, state)
    this.#backOff = new BackOff(clock, settings)
    this.#due = new Due(clock, settings)
    this.#room = new RoomMaker(options, state, this.#due)
    this.#publisher = new DrivePublisher({
      options,
      settings,
      state,
      fetch,
      reader: this.#reader,
      progress: this.#progress,
      health: this.#health,
      room: this.#room,
      due: this.#due,
      requests: this.#requests,
      beforeBuild: (signal) => this.#checks.beforeBuild(signal),
      onPhase: (phase) => this.#enter(phase),
      onProgress: () => this.#emit(false),
    })
    const publish = (signal: AbortSignal): Promise<void> => {
      this.#publisher.forgetHeld()
      return this.syncNow({ signal })
    }
    this.#checks = new Checks({ ...options, state, publisher: this.#publisher, publish }, settings)
    this.#health.start()
    this.#running = this.#run()
  }

  status(): SyncStatus {
    const clock = implausibleClock(this.#options.clock.nowMs())
    return statusOf({
      phase: this.#phase,
      head: this.#state.head,
      newer: this.#publisher.newer,
      progress: this.#progress,
      backOff: this.#backOff,
      health: this.#health,
      warnings: [...(clock === undefined ? [] : [clock]), ...this.#publisher.ignored, ...this.#checks.warnings],
      scrub: this.#checks.status,
    })
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

  check(request: CheckRequest): Promise<CheckReport> {
    return this.#checks.run(request)
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

  hearOfDevices(signal: AbortSignal): Promise<void> {
    return this.#publisher.hearOfDevices(signal)
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
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
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
    this.#enter('closed')
  }

  /** @returns milliseconds until the next turn; a change, a caller, or the node coming back ends the wait early */
  async #turn(): Promise<number> {
    this.#isWaitingOut = false
    if (this.#isPaused) {
      this.#enter('paused')
      return Infinity
    }
    this.#work = new AbortController()
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
    if (inMs > 0) this.#enter(counts.dirtyInodes === 0 ? 'idle' : 'waiting')
    return inMs
  }

  /** Unpublished changes, a failed try, or a caller. */
  #isWaiting(): boolean {
    return !this.#requests.isEmpty || this.#backOff.lastError !== undefined || this.#phase === 'waiting'
  }

  #nodeChanged(isBack: boolean): void {
    if (this.#health.state === 'reachable') this.#reader.online()
    if (isBack) {
      this.#backOff.tryNow()
      this.#wake.now()
    }
    this.#emit(true)
  }

  #succeeded(): void {
    this.#backOff.succeeded()
    this.#health.succeeded()
    if (this.#phase !== 'waiting') this.#enter('idle')
  }

  /**
   * @returns how long to sleep; 0 on the first failure, because the next turn handles a full disk during the back-off
   */
  #failed(error: unknown): number {
    if (this.#isClosed || this.#isPaused) return 0
    this.#publisher.forgetHeld()
    this.#health.forgetIdentity()
    const retryInMs = this.#backOff.failed(error, { byHand: this.#isByHand })
    const { code, message } = this.#backOff.lastError!
    this.#health.failed(error)
    this.#options.log.warn('publishing failed', { code, message, retryInMs })
    this.#requests.settle(error instanceof Error ? error : new DriveError('INTERNAL', String(error)))
    this.#enter(code === 'DIVERGED' || code === 'ROLLED_BACK' ? 'refused' : 'retrying')
    return this.#isWaitingOut ? retryInMs : 0
  }

  #enter(phase: SyncPhase): void {
    if (phase === this.#phase) return
    // A failure stays visible until the next success.
    if ((phase === 'idle' || phase === 'waiting') && this.#backOff.lastError !== undefined) return
    this.#phase = phase
    this.#health.look()
    this.#emit(true)
  }

  #emit(always: boolean): void {
    const now = this.#options.clock.monotonicMs()
    if (!always && now - this.#lastEmitMs < PROGRESS_EVERY_MS) return
    this.#lastEmitMs = now
    const status = this.status()
    for (const listener of this.#listeners) listener(status)
  }
}
