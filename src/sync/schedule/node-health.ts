/** Whether the node answers, asked now and then. */
import { isDriveError, toWire, type Clock, type Log } from '../../base/index.js'
import type { IpfsNode, NodeStatus } from '../../node/index.js'
import type { SyncSettings } from '../contract.js'

export interface HealthOptions {
  readonly node: Pick<IpfsNode, 'check'>
  readonly clock: Clock
  readonly log: Log
  readonly settings: Pick<SyncSettings, 'healthCheckMs'>
}

export class NodeHealth {
  /** Undefined before the first answer. */
  isOnline: boolean | undefined
  status: NodeStatus | undefined
  #nextMs = -Infinity
  #identity: string | undefined

  constructor(private readonly options: HealthOptions) {}

  /** See `nodeIdentity`; asked when it is not known since the last failure. */
  async identity(signal: AbortSignal): Promise<string> {
    this.#identity ??= nodeIdentity(await this.options.node.check({ signal }))
    return this.#identity
  }

  /** After a failure another node may answer at the same address. */
  forgetIdentity(): void {
    this.#identity = undefined
  }

  /** Asks when it is time. @returns whether the answer is another than before */
  async check(signal: AbortSignal): Promise<boolean> {
    const { node, clock, log, settings } = this.options
    if (clock.monotonicMs() < this.#nextMs) return false
    this.#nextMs = clock.monotonicMs() + settings.healthCheckMs
    const before = this.isOnline
    try {
      this.status = await node.check({ signal })
      this.#identity = nodeIdentity(this.status)
      this.isOnline = true
    } catch (error) {
      if (isDriveError(error, 'ABORTED')) throw error
      this.isOnline = false
      log.warn('the node does not answer', { code: toWire(error).code })
    }
    return before !== this.isOnline
  }
}

/** What tells one node from another: facts learned from one are nothing to the other. */
export function nodeIdentity({ kind, peerId, where }: Pick<NodeStatus, 'kind' | 'peerId' | 'where'>): string {
  return `${kind} ${peerId ?? where}`
}
