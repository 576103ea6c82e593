/**
 * The work of sync on its node: reads the heads of other devices, publishes all changes, and republishes the names.
 * Results are cached until a failure; after a failure the node is asked again.
 */
import { hex } from '../base/index.js'
import type { FetchBlock } from '../dag/index.js'
import { buildCommit } from './build/build-commit.js'
import type { Newer, SyncOptions, SyncPhase, SyncSettings } from './contract.js'
import type { NodeReader } from './fetch/node-reader.js'
import { checkHeads, type CheckedHeads, type HeadChecker } from './heads/check-heads.js'
import { DriveNames } from './heads/drive-names.js'
import { NameNotices } from './heads/name-notices.js'
import { abandonPlan } from './publish/abandon-plan.js'
import { prepare, type Preparer } from './publish/prepare.js'
import { publishPlan, settleBefore, type Publisher } from './publish/publish.js'
import { moveName } from './publish/put-name.js'
import { requireHeld } from './publish/require-held.js'
import { Looks } from './schedule/looks.js'
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
  readonly health: Pick<NodeHealth, 'identity' | 'forgetIdentity'>
  readonly wake: () => void
  readonly room: Pick<RoomMaker, 'hasGivenUp'>
  readonly due: Pick<Due, 'begun'>
  readonly requests: Requests
  /** Called right before a version is built. */
  readonly beforeBuild: (signal: AbortSignal) => Promise<void>
  readonly onPhase: (phase: SyncPhase) => void
  /** `Progress` has changed. */
  readonly onProgress: () => void
}

/** A plan that lost a block is rebuilt from the tree. After this many rebuilds in a row, the publish fails. */
const MOST_REBUILDS = 2

export class DrivePublisher {
  /** Remote ahead: another device has published on top of our version. */
  newer: Newer | undefined
  readonly looks: Looks
  readonly #notices = new NameNotices()
  /** At the last look. */
  #ignored: CheckedHeads['ignored'] = []
  readonly #parts: DrivePublisherParts
  readonly #names: DriveNames
  #isProvisional: boolean
  /** The plan's names have moved on a node that is not the configured one yet. */
  #isPlanNamed = false
  /** Clock.monotonicMs of the next republish of the names. */
  #nextRefreshMs: number

  constructor(parts: DrivePublisherParts) {
    const { options, settings } = parts
    this.#parts = parts
    this.looks = new Looks(options.clock, parts.wake)
    this.#names = new DriveNames(options.keys)
    this.#isProvisional = options.isProvisional === true
    this.#nextRefreshMs = options.clock.monotonicMs() + settings.refreshNamesMs
  }

  /** Names on the node that are ignored or cannot be moved, as sentences. */
  get warnings(): readonly string[] {
    return this.#notices.sentences
  }

  /** The unfinished plan. `isFinal`: no step is left until its node is the configured one. */
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
    this.looks.forget()
  }

  /** See `Sync.hearOfDevices`. */
  async hearOfDevices(signal: AbortSignal): Promise<void> {
    const { state, options } = this.#parts
    if (state.head === undefined) return
    const { devices } = await checkHeads(this.#preparer(), { all: true, signal })
    const known = [options.deviceSlot, ...state.devices.map(({ slot }) => slot)]
    const unheard = devices.filter(({ slot }) => !known.includes(slot))
    if (unheard.length === 0) return
    state.put('devices', [...state.devices, ...unheard])
    await options.queue.commit()
  }

  forgetHeld(): void {
    this.looks.forget()
    this.#parts.health.forgetIdentity()
  }

  /** One publish of everything up to now; an unfinished plan is finished first. Settles all earlier requests. */
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
        // The configured node still has a block that this machine evicted; the new node lacks it.
        if (this.#isProvisional) throw notHere(error)
        // A version that names may point to must not be rebuilt.
        if (rebuilds >= MOST_REBUILDS || state.plan?.phase === 'naming') throw unreadable(error)
        options.log.warn('a block of the upload is gone; rebuilding the version')
        await abandonPlan(state, options.port)
      } finally {
        progress.end()
        options.blocks.rest()
      }
    }
  }

  /**
   * Periodic work that needs no change: reads the heads and republishes the names. @returns whether anything was due
   */
  async keepUp(signal: AbortSignal): Promise<boolean> {
    const nowMs = this.#parts.options.clock.monotonicMs()
    if (nowMs >= this.looks.nextMs) await this.#look(signal)
    else if (nowMs >= this.#nextRefreshMs) await this.#refreshNames(signal)
    else return false
    return true
  }

  /** Milliseconds until `keepUp` is due. */
  get keepUpInMs(): number {
    return Math.max(0, Math.min(this.looks.nextMs, this.#nextRefreshMs) - this.#parts.options.clock.monotonicMs())
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
   * @returns whether our version may be built on. If another device has built on it, there must be nothing to publish.
   */
  async #look(signal: AbortSignal): Promise<boolean> {
    const { state, options, settings } = this.#parts
    const publisher = await this.#publisher(signal, false)
    const mayBeBehind = state.isHeldElsewhere(publisher.nodeIdentity)
    const heads = await prepare({ ...this.#preparer(), mayBeBehind }, signal)
    const { newer } = heads
    this.#notices.saw(heads)
    this.#ignored = heads.ignored
    const unfinished = state.plan
    if (newer !== undefined) {
      await settleBefore(newer, unfinished, publisher, options.port, signal)
      this.#isPlanNamed = state.plan !== undefined
    } else if (unfinished === undefined) await this.#requireHeld(heads, publisher, signal)
    this.newer = newer
    this.looks.nextMs = options.clock.monotonicMs() + settings.healthCheckMs
    return newer === undefined
  }

  /** Runs once for each head and node, and again after each failure. */
  async #requireHeld(heads: CheckedHeads, publisher: Publisher, signal: AbortSignal): Promise<void> {
    const held = `${publisher.nodeIdentity} ${hex(this.#parts.state.head?.root ?? Buffer.alloc(0))}`
    if ((heads.isKnown || this.#notices.isUnmovable('drive')) && this.looks.isHeld(held)) return
    await requireHeld(heads, publisher, signal)
    this.looks.foundHeld(held)
  }

  async #refreshNames(signal: AbortSignal): Promise<void> {
    const { options, settings, state } = this.#parts
    const { node, deviceSlot, clock } = options
    const { head } = state
    if (head?.commit.deviceSlot === deviceSlot && (await this.#look(signal))) {
      const records = this.#names.makeRecords(head.root, head.commit)
      const putter = { node, names: this.#names, notices: this.#notices }
      await moveName(deviceSlot, records.device, this.#ignored, putter, signal)
      await moveName('drive', records.drive, this.#ignored, putter, signal)
    }
    this.#nextRefreshMs = clock.monotonicMs() + settings.refreshNamesMs
  }

  #preparer(): HeadChecker & Omit<Preparer, 'mayBeBehind'> {
    const { options, state, fetch } = this.#parts
    return { ...options, state, names: this.#names, fetch, notices: this.#notices }
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
      notices: this.#notices,
      nodeIdentity: await health.identity(signal),
      isFresh,
      isProvisional: this.#isProvisional,
      port: options.port,
      core: options.core,
      blocks: options.blocks,
      settings,
      onPhase,
      onSent: (blocks, bytes, wasThere) => {
        progress.add(blocks, bytes, wasThere)
        onProgress()
      },
    }
  }
}
