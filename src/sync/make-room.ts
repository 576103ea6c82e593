/** A full disk: what sync can do besides publishing, which gives back the space of what was removed. */
import { toWire, type Log } from '../base/index.js'
import type { IpfsNode, NodeStatus } from '../node/index.js'
import type { DrivePort } from '../store/index.js'
import { abandonPlan } from './abandon-plan.js'
import type { SyncState } from './sync-state.js'

export interface RoomMaker {
  readonly state: SyncState
  readonly port: Pick<DrivePort, 'counts'>
  readonly node: Pick<IpfsNode, 'collectGarbage'>
  readonly nodeStatus: NodeStatus | undefined
  readonly log: Log
}

/**
 * An upload found no space. Where this machine's disk is full it is given up, as it may hold what was removed since and would keep
 * that from being given back; the next one begins anew. A full disk elsewhere waits for its owner, and the upload goes on then.
 */
export async function afterNoSpace(maker: RoomMaker, signal: AbortSignal): Promise<void> {
  const { state, port, log } = maker
  try {
    const isHere = isOwnNode(maker) || (await port.counts()).isShortOfSpace
    if (isHere && state.plan?.phase === 'sending') await abandonPlan(state)
    await collectGarbage(maker, signal)
  } catch (error) {
    log.warn('no room could be made', { code: toWire(error).code })
  }
}

/** The embedded node, which may lie on the same disk, lets go of what no version needs. Other nodes collect when they like. */
export async function collectGarbage(
  maker: Pick<RoomMaker, 'node' | 'nodeStatus'>,
  signal: AbortSignal,
): Promise<void> {
  if (isOwnNode(maker)) await maker.node.collectGarbage({ signal })
}

const isOwnNode = ({ nodeStatus }: Pick<RoomMaker, 'nodeStatus'>): boolean => nodeStatus?.kind === 'embedded'
