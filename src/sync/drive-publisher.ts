/**
 * What sync does at its node when it is time: it looks whether another device went on, publishes everything up to now,
 * and puts the names again. What it learns there, a failure makes it ask again.
 */
import { hex } from '../base/index.js'
import type { FetchBlock } from '../dag/index.js'
import { buildCommit } from './build/build-commit.js'
import type { Newer, SyncOptions, SyncPhase, SyncSettings } from './contract.js'
import type { NodeReader } from './fetch/node-reader.js'
import type { CheckedHeads, HeadChecker } from './heads/check-heads.js'
import { DriveNames } from './heads/heads.js'
import { ignoredHead } from './heads/refusals.js'
import { abandonPlan } from './publish/abandon-plan.js'
import { prepare, type Preparer } from './publish/prepare.js'
import { publishPlan, settleBefore, type Publisher } from './publish/publish.js'
import { putName } from './publish/put-name.js'
import { requireHeld } from './publish/require-held.js'
import { LostBlock, notHere, unreadable } from './publish/send-blocks.js'
import type { Due } from './schedule/due.js'
import type { RoomMaker } from './schedule/make-room.js'
import type { NodeHealth } from './schedule/node-health.js'
import type { Progress } from './schedule/progress.js'
import type { Requests } from './schedule/requests.js'
import type { Plan, SyncState } from './state/sync-state.js'

export interface DrivePublisherParts {
  readonly options: SyncOptions
  readonly settings: SyncSettings
  readonly state: SyncState
  readonly reader: NodeReader
  readonly fetch: FetchBlock
  readonly progress: Progress
  readonly health: Pick<NodeHealth, 'identity'>
  readonly room: Pick<RoomMaker, 'hasGivenUp'>
  readonly due: Pick<Due, 'begun'>
  readonly requests: Requests
  /** Called right before a version is built. */
  readonly beforeBuild: (signal: AbortSignal) => Promise<void>
  readonly onPhase: (phase: SyncPhase) => void
  /** `Progress` has moved on. */
  readonly onProgress: () => void
}

/** A plan that lost a block is rebuilt from the tree; more often than this in a row it is a failure. */
const MOST_REBUILDS = 2

export class DrivePublisher {
  /** Another device has published on top of ours. */
  newer: Newer | undefined
  /** Heads on the node that count for nothing, as sentences. */
  ignored: readonly string[] = []
  readonly #parts: DrivePublisherParts
  readonly #names: DriveNames
  #isProvisional: boolean
  /** The plan is named on a node that does not count yet. */
  #isPlanNamed = false
  /** The head and the node that was seen to hold it since this sync was opened. */
  #held: string | undefined
  /** Clock.monotonicMs of the next look at the heads, and of putting the names again. */
  #nextLookMs = -Infinity
  #nextRefreshMs: number

  constructor(parts: DrivePublisherParts) {
    const { options, settings } = parts
    this.#parts = parts
    this.#names = new DriveNames(options.keys)
    this.#isProvisional = options.isProvisional === true
    this.#nextRefreshMs = options.clock.monotonicMs() + settings.refreshNamesMs
  }

  /** There is an unfinished plan. `isFinal`: all is done for it that can be done before its node counts. */
  get plan(): { readonly isFinal: boolean } | undefined {
    if (this.#parts.state.plan === undefined) return undefined
    return { isFinal: this.#isProvisional && this.#isPlanNamed }
  }

  /** The node is not the configured one yet. */
  get isProvisional(): boolean {
    return this.#isProvisional
  }

  /** The node is the configured one from now on. */
  keepNode(): void {
    this.#isProvisional = false
    this.#held = undefined
  }

  /** After a failure nothing is known of the node. */
  forgetHeld(): void {
    this.#held = undefined
  }

  /** One publish of everything up to now; an unfinished one is finished first. Requests of before are settled. */
  async publish(signal: AbortSignal): Promise<void> {
    const { state, requests, onPhase, progress, options } = this.#parts
    for (let rebuilds = 0; ; rebuilds++) {
      try {
        onPhase('preparing')
        const asked = requests.all
        if (!(await this.#look(signal))) return requests.settle(undefined, asked)
        const unfinished = state.plan
        if (unfinished !== undefined) {
          if (await this.#bringToEnd(unfinished, false, signal)) continue
          return requests.settle(undefined, asked)
        }
        await this.#publishNew(signal)
        return requests.settle(undefined, asked)
      } catch (error) {
        if (!(error instanceof LostBlock)) throw error
        // Another node lacks what this machine let go of; the configured one has it.
        if (this.#isProvisional) throw notHere(error)
        // A version that names may point to is not built a second time.
        if (rebuilds >= MOST_REBUILDS || state.plan?.phase === 'naming') throw unreadable(error)
        options.log.warn('a block of the upload is gone; building the version anew')
        await abandonPlan(state, options.port)
      } finally {
        progress.end()
      }
    }
  }

  /**
   * What is to be done now and then without any change: a look at the heads, and the names put again. @returns whether
   * it was time
   */
  async keepUp(signal: AbortSignal): Promise<boolean> {
    const nowMs = this.#parts.options.clock.monotonicMs()
    if (nowMs >= this.#nextLookMs) await this.#look(signal)
    else if (nowMs >= this.#nextRefreshMs) await this.#refreshNames(signal)
    else return false
    return true
  }

  /** Until it is time for `keepUp`. */
  get keepUpInMs(): number {
    return Math.max(0, Math.min(this.#nextLookMs, this.#nextRefreshMs) - this.#parts.options.clock.monotonicMs())
  }

  async #publishNew(signal: AbortSignal): Promise<void> {
    const { due, onPhase, room, beforeBuild } = this.#parts
    due.begun()
    onPhase('building')
    await beforeBuild(signal)
    const plan = await buildCommit(this.#builder(), signal)
    if (plan !== undefined) await this.#bringToEnd(plan, !room.hasGivenUp, signal)
  }

  /** @returns whether the plan is settled */
  async #bringToEnd(plan: Plan, isFresh: boolean, signal: AbortSignal): Promise<boolean> {
    this.#parts.progress.begin(plan.files, plan.blocks)
    const isSettled = await publishPlan(plan, await this.#publisher(signal, isFresh), signal)
    this.#isPlanNamed = !isSettled
    return isSettled
  }

  /**
   * @returns whether the version here may be built on; where another device went on from it, there must be nothing to
   * publish
   */
  async #look(signal: AbortSignal): Promise<boolean> {
    const { state, options, settings } = this.#parts
    const publisher = await this.#publisher(signal, false)
    const mayBeBehind = state.isHeldElsewhere(publisher.nodeIdentity)
    const heads = await prepare({ ...this.#preparer(), mayBeBehind }, signal)
    const { newer } = heads
    this.ignored = heads.ignored.map(ignoredHead)
    const unfinished = state.plan
    if (newer !== undefined) {
      await settleBefore(newer, unfinished, publisher, options.port, signal)
      this.#isPlanNamed = state.plan !== undefined
    } else if (unfinished === undefined) await this.#requireHeld(heads, publisher, signal)
    this.newer = newer
    // Looking again is asking for a few names.
    this.#nextLookMs = options.clock.monotonicMs() + settings.healthCheckMs
    return newer === undefined
  }

  /** Once for each head and node, and after each failure. */
  async #requireHeld(heads: CheckedHeads, publisher: Publisher, signal: AbortSignal): Promise<void> {
    const held = `${publisher.nodeIdentity} ${hex(this.#parts.state.head?.root ?? Buffer.alloc(0))}`
    if (heads.isKnown && this.#held === held) return
    await requireHeld(heads, publisher, signal)
    this.#held = held
  }

  async #refreshNames(signal: AbortSignal): Promise<void> {
    const { options, settings, state } = this.#parts
    const { node, deviceSlot, clock } = options
    const { head } = state
    if (head?.commit.deviceSlot === deviceSlot && (await this.#look(signal))) {
      const records = this.#names.makeRecords(head.root, head.commit)
      await putName(this.#names.device(deviceSlot), records.device, this.#names, node, signal)
      if (this.ignored.length === 0) await putName(this.#names.drive, records.drive, this.#names, node, signal)
    }
    this.#nextRefreshMs = clock.monotonicMs() + settings.refreshNamesMs
  }

  #preparer(): HeadChecker & Omit<Preparer, 'mayBeBehind'> {
    const { options, state, fetch } = this.#parts
    return { ...options, state, names: this.#names, fetch }
  }

  #builder(): Parameters<typeof buildCommit>[0] {
    const { options, reader } = this.#parts
    return {
      ...this.#preparer(),
      ...options,
      fetchBlocks: (digests, signal) => reader.fetchBlocks(digests, signal),
    }
  }

  async #publisher(signal: AbortSignal, isFresh: boolean): Promise<Publisher> {
    const { options, settings, health, progress, onPhase, onProgress } = this.#parts
    return {
      ...this.#preparer(),
      nodeIdentity: await health.identity(signal),
      isFresh,
      isProvisional: this.#isProvisional,
      port: options.port,
      core: options.core,
      settings,
      onPhase,
      onSent: (blocks, bytes, wasThere) => {
        progress.add(blocks, bytes, wasThere)
        onProgress()
      },
    }
  }
}
