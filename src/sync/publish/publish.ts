/**
 * One plan to its end. The order is fixed: blocks confirmed, version pinned beside the one before it, names moved and
 * read again, drive thread told, old pins dropped. Each step may be repeated, so any crash goes on; and at each of them
 * the loss of this device leaves names that point to what is pinned.
 */
import { throwIfAborted, type Log } from '../../base/index.js'
import type { FetchBlock } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { Core } from '../../pipeline/index.js'
import type { DrivePort } from '../../tree-state/index.js'
import { relationOf } from '../../commits/index.js'
import type { Newer, SyncPhase, SyncSettings } from '../contract.js'
import type { DriveNames } from '../heads/heads.js'
import { refuseDamaged } from '../check/refuse-damaged.js'
import { dropPins } from './drop-pins.js'
import { moveNames } from './move-names.js'
import { pinVersion } from './pin-version.js'
import { putKnownHeads } from './put-known-heads.js'
import { needsMerging } from '../heads/refusals.js'
import { forgetSent, sendBlocks } from './send-blocks.js'
import { settlePlan } from './settle.js'
import { tellDriveThread } from './tell-drive-thread.js'
import type { Plan, SyncState } from '../state/sync-state.js'

export interface Publisher {
  readonly state: SyncState
  readonly port: Pick<DrivePort, 'readBlocks' | 'published'>
  readonly node: IpfsNode
  readonly names: DriveNames
  readonly deviceSlot: number
  readonly core: Core
  readonly fetch: FetchBlock
  readonly settings: SyncSettings
  readonly log: Log
  /** Of `node`, see `nodeIdentity`. */
  readonly nodeIdentity: string
  /** The plan was built just now, and nothing of it was sent before. */
  readonly isFresh: boolean
  /**
   * The node is not the configured one yet: nothing becomes evictable by what it confirms, and the plan stays
   * unsettled.
   */
  readonly isProvisional: boolean
  readonly onPhase: (phase: SyncPhase) => void
  readonly onSent: (blocks: number, bytes: number, wasThere: boolean) => void
}

/**
 * Another device went on from here. A plan whose names were put before a crash may be what it went on from: then only
 * what is left to do here is done; on a node that does not count yet, it stays to be done.
 * @throws DIVERGED when there is something here that no version has
 */
export async function settleBefore(
  newer: Newer,
  unfinished: Plan | undefined,
  publisher: Publisher,
  port: Pick<DrivePort, 'counts'>,
  signal: AbortSignal,
): Promise<void> {
  if (unfinished !== undefined) {
    const { phase, version } = unfinished
    const isNamed = phase === 'naming' || phase === 'settling'
    if (!isNamed || (await relationOf(newer.version, version, publisher, signal)) !== 'newer') {
      throw needsMerging(newer, 'plan')
    }
    if (phase === 'naming') {
      await confirm(unfinished, publisher, signal)
      // It is settled when this node counts; until then what it would have cleared is no change of its own.
      if (publisher.isProvisional) return
      await tellDriveThread(unfinished, publisher.state, publisher.port)
    }
    await settlePlan(unfinished, publisher.state)
  }
  const { dirtyInodes, held } = await port.counts()
  if (dirtyInodes > 0 || held.files > 0) throw needsMerging(newer, 'changes')
}

/**
 * What was begun before is not believed but asked of the node again, up to the point where the drive thread was told.
 * @returns whether it is settled; not when what this node confirms does not count yet (see `Publisher.isProvisional`)
 */
export async function publishPlan(begun: Plan, publisher: Publisher, signal: AbortSignal): Promise<boolean> {
  const { state, port, onPhase, isProvisional } = publisher
  let plan = begun
  const enter = async (phase: Plan['phase']): Promise<void> => {
    throwIfAborted(signal)
    if (plan.phase === phase && plan.node === publisher.nodeIdentity) return
    plan = { ...plan, phase, node: publisher.nodeIdentity }
    state.put('plan', plan)
    await state.queue.commit()
  }
  if (plan.phase !== 'settling') {
    if (plan.node !== undefined && plan.node !== publisher.nodeIdentity) await forgetSent(state)
    if (plan.phase === 'sending') await enter('sending')
    onPhase('uploading')
    await confirm(plan, publisher, signal)
    await enter('naming')
    onPhase('naming')
    const devices = await moveNames(plan, publisher, signal)
    const others = devices.filter(({ slot }) => slot !== publisher.deviceSlot)
    const isElsewhere = state.isHeldElsewhere(publisher.nodeIdentity)
    const known = isElsewhere ? await putKnownHeads(plan.version, others, publisher, signal) : others
    if (isProvisional) return false
    state.put('devices', known)
    state.confirmedBy(publisher.nodeIdentity, plan.version.root)
    await tellDriveThread(plan, state, port)
    await enter('settling')
    const heads = [...devices, ...known].map(({ root }) => root)
    await dropPins(plan.version, heads, publisher, signal)
  }
  onPhase('settling')
  await settlePlan(plan, state)
  return true
}

/** The node has every block of the version, pinned. */
async function confirm(plan: Plan, publisher: Publisher, signal: AbortSignal): Promise<void> {
  await sendBlocks(plan, publisher, !publisher.isFresh, signal)
  await refuseDamaged(publisher, signal)
  publisher.onPhase('pinning')
  await pinVersion(plan, { ...publisher, sendAgain: (stop) => sendBlocks(plan, publisher, false, stop) }, signal)
}
