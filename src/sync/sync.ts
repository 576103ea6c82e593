/**
 * The upload queue's clockwork: when to publish, what to do after a failure, what to say about it. The work itself is
 * elsewhere.
 */
import { aborted, DriveError, hex } from '../base/index.js'
import type { FetchBlock } from '../dag/index.js'
import type { RemoteSource } from '../tree-state/index.js'
import { abandonPlan } from './publish/abandon-plan.js'
import { BackOff } from './schedule/back-off.js'
import { buildCommit } from './build/build-commit.js'
import {
  DEFAULT_SETTINGS,
  type Newer,
  type Sync,
  type SyncOptions,
  type SyncPhase,
  type SyncSettings,
  type SyncStatus,
} from './contract.js'
import { Due } from './schedule/due.js'
import type { CheckedHeads, HeadChecker } from './heads/check-heads.js'
import { ignoredHead } from './heads/refusals.js'
import { DriveNames } from './heads/heads.js'
import { RoomMaker } from './schedule/make-room.js'
import { NodeHealth } from './schedule/node-health.js'
import { NodeReader } from './fetch/node-reader.js'
import { beginAt, prepare, type Preparer } from './publish/prepare.js'
import { Progress } from './schedule/progress.js'
import { publishPlan, settleBefore, type Publisher } from './publish/publish.js'
import { putName } from './publish/put-name.js'
import { createRemoteSource, localFirst } from './fetch/remote-source.js'
import { Requests } from './schedule/requests.js'
import { requireHeld } from './publish/require-held.js'
import { LostBlock, notHere, unreadable } from './publish/send-blocks.js'
import { statusOf } from './schedule/status-of.js'
import { SyncState } from './state/sync-state.js'
import { implausibleClock } from './schedule/implausible-clock.js'
import { Wake } from './schedule/wake.js'

/** Opens the queue of one drive and begins to work it off. The caller closes `options.queue` after `Sync.close`. */
export async function openSync(options: SyncOptions): Promise<Sync> {
  const state = new SyncState(options.queue)
  await beginAt(options.start, options.deviceSlot, state)
  return new DriveSync(options, state)
}

const PROGRESS_EVERY_MS = 200
/** A plan that lost a block is rebuilt from the tree; more often than this in a row it is a failure. */
const MOST_REBUILDS = 2

class DriveSync implements Sync {
  readonly remote: RemoteSource
  readonly #options: SyncOptions
  readonly #settings: SyncSettings
  readonly #state: SyncState
  readonly #reader: NodeReader
  readonly #fetch: FetchBlock
  readonly #names: DriveNames
  readonly #progress: Progress
  readonly #backOff: BackOff
  readonly #due: Due
  readonly #health: NodeHealth
  readonly #room: RoomMaker
  readonly #requests = new Requests()
  readonly #wake: Wake
  readonly #listeners = new Set<(status: SyncStatus) => void>()
  readonly #running: Promise<void>
  #work = new AbortController()
  #phase: SyncPhase = 'idle'
  #isPaused = false
  #isClosed = false
  #isProvisional: boolean
  /** The plan is named on a node that does not count yet. */
  #isPlanNamed = false
  /** The head and the node that was seen to hold it since this sync was opened. */
  #held: string | undefined
  /** The try under way was asked for. */
  #isByHand = false
  #newer: Newer | undefined
  /** Heads on the node that count for nothing, as sentences. */
  #ignored: readonly string[] = []
  #nextLookMs = -Infinity
  #lastEmitMs = -Infinity
  #nextRefreshMs: number

  constructor(options: SyncOptions, state: SyncState) {
    const settings = { ...DEFAULT_SETTINGS, ...options.settings }
    const { clock } = options
    this.#options = options
    this.#settings = settings
    this.#state = state
    this.#isProvisional = options.isProvisional === true
    this.#wake = new Wake(clock)
    this.#health = new NodeHealth({
      ...options,
      settings,
      isWaiting: () => this.#isWaiting(),
      onChange: (isBack) => this.#nodeChanged(isBack),
    })
    this.#reader = new NodeReader({ ...options, ...settings, health: this.#health })
    this.#fetch = localFirst(state, this.#reader)
    this.#names = new DriveNames(options.keys)
    this.#progress = new Progress(clock)
    this.remote = createRemoteSource(this.#reader, this.#fetch, state)
    this.#backOff = new BackOff(clock, settings)
    this.#due = new Due(clock, settings)
    this.#room = new RoomMaker(options, state, this.#due)
    this.#nextRefreshMs = clock.monotonicMs() + settings.refreshNamesMs
    this.#health.start()
    this.#running = this.#run()
  }

  status(): SyncStatus {
    return statusOf(
      this.#phase,
      this.#state.head,
      this.#newer,
      this.#progress,
      this.#backOff,
      this.#health,
      this.#warnings,
    )
  }

  get #warnings(): readonly string[] {
    const clock = implausibleClock(this.#options.clock.nowMs())
    return [...(clock === undefined ? [] : [clock]), ...this.#ignored]
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

  keepNode(): void {
    this.#isProvisional = false
    this.#held = undefined
    this.#wake.now()
  }

  changed(): void {
    this.#due.changed()
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
    await Promise.all([this.#running, this.#health.close()])
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        await this.#turn()
      } catch (error) {
        this.#failed(error)
      }
      if (!this.#isClosed) await this.#wake.wait(this.#requests.isEmpty ? this.#settings.pollMs : 0)
    }
    this.#requests.settle(new DriveError('ABORTED', 'The drive is closing.'))
    this.#enter('closed')
  }

  async #turn(): Promise<void> {
    if (this.#isPaused) return this.#enter('paused')
    this.#work = new AbortController()
    const { signal } = this.#work
    const isAsked = !this.#requests.isEmpty
    this.#isByHand = isAsked
    if (!isAsked && this.#backOff.isWaiting) return this.#room.whileWaiting(signal)
    if (isAsked || (await this.#isDue())) {
      await this.#room.around(() => this.#publish(signal), signal)
      this.#succeeded()
      return this.#room.afterPublishing(signal)
    }
    if (this.#options.clock.monotonicMs() >= this.#nextLookMs) await this.#prepare(signal)
    else if (this.#options.clock.monotonicMs() >= this.#nextRefreshMs) await this.#refreshNames(signal)
    else return
    this.#succeeded()
  }

  async #isDue(): Promise<boolean> {
    if (this.#state.plan !== undefined) return !(this.#isProvisional && this.#isPlanNamed)
    const answer = this.#due.ask(await this.#options.port.counts(), this.#state.head === undefined)
    if (answer !== 'now') this.#enter(answer === 'no' ? 'idle' : 'waiting')
    return answer === 'now'
  }

  /** One publish of everything up to now; an unfinished one is finished first. */
  async #publish(signal: AbortSignal): Promise<void> {
    for (let rebuilds = 0; ; rebuilds++) {
      try {
        this.#enter('preparing')
        const asked = this.#requests.all
        if (!(await this.#prepare(signal))) return this.#requests.settle(undefined, asked)
        const unfinished = this.#state.plan
        if (unfinished !== undefined) {
          this.#progress.begin(unfinished.files, unfinished.blocks)
          const publisher = await this.#publisher(signal, false)
          if (await publishPlan(unfinished, publisher, signal)) continue
          this.#isPlanNamed = true
          return this.#requests.settle(undefined, asked)
        }
        this.#due.begun()
        this.#enter('building')
        const plan = await buildCommit(this.#builder(), signal)
        if (plan !== undefined) {
          this.#progress.begin(plan.files, plan.blocks)
          const publisher = await this.#publisher(signal, !this.#room.hasGivenUp)
          this.#isPlanNamed = !(await publishPlan(plan, publisher, signal))
        }
        this.#requests.settle(undefined, asked)
        return
      } catch (error) {
        if (!(error instanceof LostBlock)) throw error
        // Another node lacks what this machine let go of; the configured one has it.
        if (this.#isProvisional) throw notHere(error)
        // A version that names may point to is not built a second time.
        if (rebuilds >= MOST_REBUILDS || this.#state.plan?.phase === 'naming') throw unreadable(error)
        this.#options.log.warn('a block of the upload is gone; building the version anew')
        await abandonPlan(this.#state, this.#options.port)
      } finally {
        this.#progress.end()
      }
    }
  }

  /**
   * @returns whether the version here may be built on; where another device went on from it, there must be nothing to
   * publish
   */
  async #prepare(signal: AbortSignal): Promise<boolean> {
    const publisher = await this.#publisher(signal, false)
    const { holder } = this.#state
    const mayBeBehind = holder !== undefined && holder !== publisher.nodeIdentity
    const heads = await prepare({ ...this.#preparer(), mayBeBehind }, signal)
    const { newer } = heads
    this.#ignored = heads.ignored.map(ignoredHead)
    const unfinished = this.#state.plan
    if (newer !== undefined) {
      await settleBefore(newer, unfinished, publisher, this.#options.port, signal)
      this.#isPlanNamed = this.#state.plan !== undefined
    } else if (unfinished === undefined) await this.#requireHeld(heads, publisher, signal)
    this.#newer = newer
    // Looking again is asking for a few names.
    this.#nextLookMs = this.#options.clock.monotonicMs() + this.#settings.healthCheckMs
    return newer === undefined
  }

  /** Once for each head and node, and after each failure. */
  async #requireHeld(heads: CheckedHeads, publisher: Publisher, signal: AbortSignal): Promise<void> {
    const held = `${publisher.nodeIdentity} ${hex(this.#state.head?.root ?? Buffer.alloc(0))}`
    if (heads.isKnown && this.#held === held) return
    await requireHeld(heads, publisher, signal)
    this.#held = held
  }

  #preparer(): HeadChecker & Omit<Preparer, 'mayBeBehind'> {
    return { ...this.#options, state: this.#state, names: this.#names, fetch: this.#fetch }
  }

  #builder(): Parameters<typeof buildCommit>[0] {
    return {
      ...this.#preparer(),
      ...this.#options,
      fetchBlocks: (digests, signal) => this.#reader.fetchBlocks(digests, signal),
    }
  }

  async #publisher(signal: AbortSignal, isFresh: boolean): Promise<Publisher> {
    return {
      ...this.#preparer(),
      nodeIdentity: await this.#health.identity(signal),
      isFresh,
      isProvisional: this.#isProvisional,
      port: this.#options.port,
      settings: this.#settings,
      onPhase: (phase) => this.#enter(phase),
      onSent: (blocks, bytes, wasThere) => {
        this.#progress.add(blocks, bytes, wasThere)
        this.#emit(false)
      },
    }
  }

  async #refreshNames(signal: AbortSignal): Promise<void> {
    const { node, deviceSlot, clock } = this.#options
    const { head } = this.#state
    if (head?.commit.deviceSlot === deviceSlot && (await this.#prepare(signal))) {
      const records = this.#names.makeRecords(head.root, head.commit)
      await putName(this.#names.device(deviceSlot), records.device, this.#names, node, signal)
      if (this.#ignored.length === 0) await putName(this.#names.drive, records.drive, this.#names, node, signal)
    }
    this.#nextRefreshMs = clock.monotonicMs() + this.#settings.refreshNamesMs
  }

  /** Unpublished changes, a try that failed, or a caller. */
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

  #failed(error: unknown): void {
    if (this.#isClosed || this.#isPaused) return
    this.#held = undefined
    this.#health.forgetIdentity()
    const retryInMs = this.#backOff.failed(error, { byHand: this.#isByHand })
    const { code, message } = this.#backOff.lastError!
    this.#health.failed(error)
    this.#options.log.warn('publishing failed', { code, message, retryInMs })
    this.#requests.settle(error instanceof Error ? error : new DriveError('INTERNAL', String(error)))
    this.#enter(code === 'DIVERGED' || code === 'ROLLED_BACK' ? 'refused' : 'retrying')
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
