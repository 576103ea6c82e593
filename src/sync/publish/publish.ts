/**
 * Runs one plan to its end. The order is fixed: confirm the blocks, pin the version beside the previous one, move the
 * names and read them again, tell the drive thread, drop old pins. Every step can be repeated, so a plan continues
 * after any crash. If this device is lost at any step, the names point to a pinned version.
 */
import { throwIfAborted, type Log } from '../../base/index.js'
import type { FetchBlock } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { Core } from '../../pipeline/index.js'
import { TreeView, type DrivePort } from '../../tree-state/index.js'
import type { EnvironmentReader } from '../../storage/kv/index.js'
import { relationOf } from '../../commits/index.js'
import type { Newer, SyncPhase, SyncSettings } from '../contract.js'
import type { LocalBlockReader } from '../fetch/local-blocks.js'
import type { DriveNames } from '../heads/drive-names.js'
import type { NameNotices } from '../heads/name-notices.js'
import { refuseDamaged } from '../check/refuse-damaged.js'
import { dropPins } from './drop-pins.js'
import { moveNames } from './move-names.js'
import { pinVersion } from './pin-version.js'
import { putKnownHeads } from '../moved-node/put-known-heads.js'
import { needsMerging } from '../heads/refusals.js'
import { forgetSent, sendBlocks } from './send-blocks.js'
import { settlePlan } from './settle.js'
import { tellDriveThread } from './tell-drive-thread.js'
import type { Plan, SyncState } from '../state/sync-state.js'

export interface Publisher {
  readonly state: SyncState
  readonly port: Pick<DrivePort, 'published'>
  readonly blocks: LocalBlockReader
  readonly node: IpfsNode
  readonly names: DriveNames
  readonly deviceSlot: number
  readonly core: Core
  readonly fetch: FetchBlock
  readonly meta: EnvironmentReader
  readonly settings: SyncSettings
  readonly log: Log
  readonly notices: NameNotices
  /** Of `node`, see `nodeIdentity`. */
  readonly nodeIdentity: string
  /** The plan was built just now; nothing of it was sent before. */
  readonly isFresh: boolean
  /** The node is not the configured one yet: its confirmations make nothing evictable, and the plan stays unsettled. */
  readonly isProvisional: boolean
  readonly onPhase: (phase: SyncPhase) => void
  readonly onSent: (blocks: number, bytes: number, wasThere: boolean) => void
}

/**
 * Another device published on top of our version, perhaps on top of the unfinished plan, whose names may have moved
 * before a crash. In that case only the local steps of the plan remain. On a provisional node they are postponed.
 * @throws DIVERGED when this device has changes that are in no version
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
      // The plan is settled once this node is the configured one. Until then only changes after it count.
      if (publisher.isProvisional) {
        const { held } = await port.counts()
        if (held.files > 0 || hasChangesAfter(unfinished.sequence, publisher.meta)) throw needsMerging(newer, 'changes')
        return
      }
      await tellDriveThread(unfinished, publisher.state, publisher.port)
    }
    await settlePlan(unfinished, publisher.state)
  }
  const { dirtyInodes, held } = await port.counts()
  if (dirtyInodes > 0 || held.files > 0) throw needsMerging(newer, 'changes')
}

/** Something changed in the tree since it was frozen for a version. */
function hasChangesAfter(sequence: number, meta: EnvironmentReader): boolean {
  const view = new TreeView(meta.snapshot())
  try {
    return view.changes(sequence).next().done !== true
  } finally {
    view.close()
  }
}

/**
 * After a restart, the results of earlier steps are checked on the node again, up to the step that tells the drive
 * thread.
 * @returns whether the plan is settled; false on a provisional node (see `Publisher.isProvisional`)
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

/** Resolves when the node holds every block of the version and has pinned it. */
async function confirm(plan: Plan, publisher: Publisher, signal: AbortSignal): Promise<void> {
  await sendBlocks(plan, publisher, !publisher.isFresh, signal)
  await refuseDamaged(publisher, signal)
  publisher.onPhase('pinning')
  await pinVersion(plan, { ...publisher, sendAgain: (stop) => sendBlocks(plan, publisher, false, stop) }, signal)
}
