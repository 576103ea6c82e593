/**
 * The known state of the node and its age, from all other calls and from probes. While anything waits for the node, it
 * is probed often with one cheap call; otherwise rarely with a full one.
 */
import {
  isDriveError,
  toWire,
  type Clock,
  type Log,
  type Random,
  type WireError,
  sharedAbort,
} from '../../base/index.js'
import type { IpfsNode, NodeStatus } from '../../node/index.js'
import type { SyncSettings } from '../contract.js'
import { Wake } from './wake.js'

export interface HealthOptions {
  readonly node: Pick<IpfsNode, 'check' | 'probe'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly settings: Pick<SyncSettings, 'healthCheckMs' | 'probeMs' | 'probeSpreadMs'>
  /** Something waits for the node: unpublished changes, a failed try, or a caller. */
  readonly isWaiting: () => boolean
  /** The known state changed. `isBack`: the node was away and answers again. */
  readonly onChange: (isBack: boolean) => void
}

export type NodeState = 'unknown' | 'reachable' | 'unreachable' | 'denied'

export class NodeHealth {
  /** The status from the last full probe. */
  status: NodeStatus | undefined
  #state: NodeState = 'unknown'
  #error: WireError | undefined
  #heardMs: number | undefined
  #checkedMs = -Infinity
  #nextProbeMs = -Infinity
  /** The last probe failed, so the next answer means that the node is back. */
  #isAway = false
  readonly #wake: Wake
  readonly #options: HealthOptions
  readonly #stop = sharedAbort()
  #running: Promise<void> = Promise.resolve()
  #identity: string | undefined

  constructor(options: HealthOptions) {
    this.#options = options
    this.#wake = new Wake(options.clock)
  }

  get state(): NodeState {
    return this.#state
  }

  get error(): WireError | undefined {
    return this.#error
  }

  /** Milliseconds since the last answer or failure; undefined before the first. */
  get ageMs(): number | undefined {
    return this.#heardMs === undefined ? undefined : this.#options.clock.monotonicMs() - this.#heardMs
  }

  /** See `nodeIdentity`. Asks the node if it is unknown since the last failure. */
  async identity(signal: AbortSignal): Promise<string> {
    this.#identity ??= nodeIdentity(await this.#options.node.check({ signal }))
    return this.#identity
  }

  /** After a failure, another node may answer at the same address. */
  forgetIdentity(): void {
    this.#identity = undefined
  }

  /** Probes the node until `close`. */
  start(): void {
    this.#running = this.#run()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#wake.now()
    await this.#running
  }

  /** A call to the node completed. This does not clear a refusal; `succeeded` does. */
  answered(): void {
    if (this.#state !== 'denied') this.#learn('reachable')
    else this.#heardMs = this.#options.clock.monotonicMs()
  }

  /** The work that waited for the node is done. */
  succeeded(): void {
    this.#learn('reachable')
  }

  /** A call to the node failed. A probe follows at once: is the node away, or did only this call fail? */
  failed(error: unknown): void {
    const state = stateAfter(error)
    if (state === undefined) return
    if (state === 'reachable') return this.answered()
    this.#nextProbeMs = -Infinity
    this.#learn(state, toWire(error))
    this.#wake.now()
  }

  /** Re-evaluates `isWaiting`, which may have changed. */
  look(): void {
    this.#wake.now()
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const waitMs = this.#dueMs() - this.#options.clock.monotonicMs()
      if (waitMs > 0) await this.#wake.wait(waitMs)
      else await this.#ask()
    }
  }

  #dueMs(): number {
    const checkMs = this.#checkedMs + this.#options.settings.healthCheckMs
    const isUrgent = this.#state === 'unreachable' || this.#options.isWaiting()
    return isUrgent ? Math.min(checkMs, this.#nextProbeMs) : checkMs
  }

  async #ask(): Promise<void> {
    const { node, clock, settings, log } = this.#options
    const { signal } = this.#stop
    const isFull = clock.monotonicMs() >= this.#checkedMs + settings.healthCheckMs
    try {
      if (isFull) {
        this.status = await node.check({ signal })
        this.#identity = nodeIdentity(this.status)
      } else await node.probe({ signal })
      if (this.#isAway) {
        this.#isAway = false
        this.#learn('reachable')
        this.#options.onChange(true)
      } else this.answered()
    } catch (error) {
      if (isDriveError(error, 'ABORTED')) return
      this.#isAway = true
      this.forgetIdentity()
      log.warn('the node does not answer', { code: toWire(error).code })
      this.#learn(stateAfter(error) === 'denied' ? 'denied' : 'unreachable', toWire(error))
    }
    if (isFull) this.#checkedMs = clock.monotonicMs()
    this.#nextProbeMs = clock.monotonicMs() + settings.probeMs + this.#spread()
  }

  #spread(): number {
    const { random, settings } = this.#options
    return Math.floor((settings.probeSpreadMs * random.bytes(1)[0]!) / 256)
  }

  #learn(state: NodeState, error?: WireError): void {
    const isNews = state !== this.#state
    this.#state = state
    this.#error = error
    this.#heardMs = this.#options.clock.monotonicMs()
    if (isNews) this.#options.onChange(false)
  }
}

/** Identifies a node. Facts learned from one node are not valid for another. */
export function nodeIdentity({ kind, peerId, where }: Pick<NodeStatus, 'kind' | 'peerId' | 'where'>): string {
  return `${kind} ${peerId ?? where}`
}

/** The state that a failure shows; undefined when the node did not cause it. */
function stateAfter(error: unknown): NodeState | undefined {
  if (!isDriveError(error)) return undefined
  switch (error.code) {
    case 'NODE_DENIED':
      return 'denied'
    case 'OFFLINE':
      return 'unreachable'
    case 'TIMEOUT':
      // The error carries Kubo's own message, so the node did answer: its search failed.
      return 'said' in error.about ? 'reachable' : 'unreachable'
    case 'NODE_BUSY':
    case 'NODE_ERROR':
    case 'WRONG_BLOCK':
      return 'reachable'
    default:
      return undefined
  }
}
