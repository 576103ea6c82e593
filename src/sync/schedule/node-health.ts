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

  constructor(private readonly options: HealthOptions) {}

  /** Asks when it is time. @returns whether the answer is another than before */
  async check(signal: AbortSignal): Promise<boolean> {
    const { node, clock, log, settings } = this.options
    if (clock.monotonicMs() < this.#nextMs) return false
    this.#nextMs = clock.monotonicMs() + settings.healthCheckMs
    const before = this.isOnline
    try {
      this.status = await node.check({ signal })
      this.isOnline = true
    } catch (error) {
      if (isDriveError(error, 'ABORTED')) throw error
      this.isOnline = false
      log.warn('the node does not answer', { code: toWire(error).code })
    }
    return before !== this.isOnline
  }
}
