/**
 * The scrub: a background check that reads the node's blocks, a few at a time and at a bounded rate, and repairs damage
 * like `fsck`. Half of each step checks the blocks that will be evicted next, since they will soon exist only on the
 * node. Eviction does not depend on it, and nothing waits for it. Its position survives restarts.
 */
import { isDriveError, toWire, type Clock, type Digest, sharedAbort } from '../../base/index.js'
import { digestOf } from '../../commits/index.js'
import { Wake } from '../schedule/wake.js'
import type { ScrubPosition, ScrubStatus } from './contract.js'
import type { CheckParts } from './parts.js'
import { damagedIn, isDamageHere, isOfVersion, recheckDamage, readPending } from './damage.js'
import { classifyDamage } from './classify-damage.js'
import { checkAtNode } from './live-blocks.js'
import { beginRound, forgetRounds, isNodeUseless } from './repair-rounds.js'
import { resealDamaged } from './reseal.js'
import { pacedNode } from './paced-node.js'
import { sendAgain } from './send-again.js'
import { checkPinTree } from './version-at-node.js'

export interface ScrubSettings {
  /** Maximum bytes a second read from the node; 0 disables the scrub. */
  readonly scrubBytesPerSecond: number
  /** From the end of one pass over the version to the start of the next. */
  readonly scrubEveryMs: number
}

const BLOCKS_A_STEP = 8
/** After a failure, and while nothing is published. */
const RETRY_MS = 60_000
const SEAL_EVERY_MS = 3_600_000
const BEGINNING: ScrubPosition = {
  evictedAfter: 0,
  liveAfter: undefined,
  checked: 0,
  endedMs: undefined,
  isRunning: false,
}

export class Scrub {
  readonly #parts: CheckParts
  readonly #clock: Clock
  readonly #settings: ScrubSettings
  readonly #wake: Wake
  readonly #stop = sharedAbort()
  /** Aborts the current step. */
  #cut = sharedAbort()
  #isPaused = false
  #step: Promise<unknown> = Promise.resolve()
  readonly #running: Promise<void>
  #damage = NO_DAMAGE
  #nextSealMs = -Infinity

  /** Starts immediately; `close` ends it. */
  constructor(parts: CheckParts, clock: Clock, settings: ScrubSettings) {
    this.#parts = { ...parts, node: pacedNode(parts.node, settings.scrubBytesPerSecond, clock) }
    this.#clock = clock
    this.#settings = settings
    this.#wake = new Wake(clock)
    this.#damage = this.#count()
    this.#running = settings.scrubBytesPerSecond > 0 ? this.#run() : Promise.resolve()
  }

  get status(): ScrubStatus {
    const { isRunning, checked, endedMs } = this.#position
    return { isRunning, checked, endedMs, ...(isDamageHere(this.#parts.state) ? this.#damage : NO_DAMAGE) }
  }

  /** Aborts the current step. No other starts before `goOn`. */
  async pause(): Promise<void> {
    this.#isPaused = true
    this.#cut.abort()
    await this.#step
  }

  /** Continues after another check, which may have changed the damage. */
  resume(): void {
    this.#damage = this.#count()
    this.#isPaused = false
    this.#wake.now()
  }

  /** The version may be at another node now: what was found at the one before has to be looked at there. */
  look(): void {
    if (this.#isAtOtherNode) this.#wake.now()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#cut.abort()
    this.#wake.now()
    await this.#running
  }

  get #position(): ScrubPosition {
    return this.#isAtOtherNode ? BEGINNING : (this.#parts.state.scrub ?? BEGINNING)
  }

  get #isAtOtherNode(): boolean {
    const { scrub, holder } = this.#parts.state
    return scrub?.node !== undefined && scrub.node !== holder
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const next = this.#next()
      this.#step = next
      await this.#wake.wait(await next)
    }
  }

  /** @returns milliseconds until the following step */
  async #next(): Promise<number> {
    const { state, log } = this.#parts
    const { isRunning, endedMs } = this.#position
    // If the clock was set back, a pass is delayed by at most one interval.
    const sinceMs = endedMs === undefined ? Infinity : Math.abs(this.#clock.nowMs() - endedMs)
    if (!isRunning && sinceMs < this.#settings.scrubEveryMs)
      return Math.min(this.#settings.scrubEveryMs - sinceMs, LONGEST_TIMER_MS)
    const isReady = state.live?.isComplete === true && !this.#parts.publisher.isProvisional && !this.#isPaused
    if (!isReady) return RETRY_MS
    this.#cut = sharedAbort()
    try {
      await this.#doStep(this.#cut.signal)
      return LEAST_PAUSE_MS
    } catch (error) {
      if (!this.#cut.signal.aborted && !isDriveError(error, 'OFFLINE'))
        log.warn('the scrub was interrupted', { code: toWire(error).code })
      return RETRY_MS
    }
  }

  async #doStep(signal: AbortSignal): Promise<void> {
    const parts = this.#parts
    const before = this.#position
    const node = parts.state.holder
    if (!before.isRunning) {
      await recheckDamage(parts, signal)
      this.#damage = this.#count()
      await classifyDamage(parts, true)
      if (parts.state.head !== undefined) await checkPinTree(parts.state.head, parts, signal)
    }
    const next = await parts.port.nextEvicted(before.isRunning ? before.evictedAfter : 0, BLOCKS_A_STEP)
    const live = this.#liveAfter(before.isRunning ? before.liveAfter : undefined)
    const evicted = next.digests.filter((digest) => parts.state.tables.live.get(digest) !== undefined)
    const found = await checkAtNode([...evicted, ...live], parts, signal, () => undefined)
    const isRunning = live.length > 0 || next.digests.length > 0
    if (found > 0 || !before.isRunning || !isRunning) await this.#heal(!isRunning, signal)
    parts.state.put('scrub', {
      node,
      evictedAfter: next.after,
      liveAfter: live.at(-1) ?? before.liveAfter,
      checked: (before.isRunning ? before.checked : 0) + evicted.length + live.length,
      endedMs: isRunning ? before.endedMs : this.#clock.nowMs(),
      isRunning,
    })
    await parts.state.queue.commit()
    this.#damage = this.#count()
  }

  #liveAfter(after: Uint8Array | undefined): Digest[] {
    const { live } = this.#parts.state.tables
    const start = after === undefined ? {} : { start: Buffer.concat([after, Buffer.of(0)]) }
    return Array.from(live.range({ ...start, limit: BLOCKS_A_STEP }), ([digest]) => digestOf(digest))
  }

  /**
   * A version with resealed blocks is published like any other change. Resealing reads all rows of the tree, so it runs
   * at intervals; damaged blocks that wait for it are kept here.
   * @param isLast whether the pass ends
   */
  async #heal(isLast: boolean, signal: AbortSignal): Promise<void> {
    const parts = this.#parts
    const { state } = parts
    let healed = 0
    for (const rows of damagedIn(['pending'], state)) {
      for (const row of rows.filter((one) => isOfVersion(one, state))) {
        if ((await readPending(row, parts, signal)) === 'healed') healed++
      }
    }
    if (healed === 0 && isNodeUseless(state) && !this.#isSound()) return classifyDamage(parts, false)
    healed += await sendAgain(parts, signal, () => undefined)
    if (healed > 0 || (isLast && this.#isSound())) forgetRounds(state)
    const nowMs = this.#clock.monotonicMs()
    if (parts.publisher.newer !== undefined || !(isLast || nowMs >= this.#nextSealMs)) return
    this.#nextSealMs = nowMs + SEAL_EVERY_MS
    if (!this.#isSound()) beginRound(state)
    if (!isNodeUseless(state)) await resealDamaged(parts, signal)
    await classifyDamage(parts, false)
  }

  /** Nothing damaged at the node has a good copy here that could be sent. */
  #isSound(): boolean {
    return damagedIn(['open'], this.#parts.state).next().done === true
  }

  #count(): Pick<ScrubStatus, 'open' | 'lost' | 'missing'> {
    const counts = { open: 0, lost: 0, missing: 0 }
    for (const rows of damagedIn(['open', 'lost'], this.#parts.state)) {
      for (const { state, kind } of rows) {
        counts[state === 'lost' ? 'lost' : 'open']++
        if (kind === 'missing') counts.missing++
      }
    }
    return counts
  }
}

const NO_DAMAGE = { open: 0, lost: 0, missing: 0 }
const LEAST_PAUSE_MS = 100
/** Maximum delay of a timer. */
const LONGEST_TIMER_MS = 2 ** 31 - 1
