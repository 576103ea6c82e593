/**
 * One plan to its end. The order is fixed: blocks confirmed, version pinned, device head, drive name, read back, drive thread told. Each
 * step is durable before the next begins and may be repeated, so any crash goes on from the last step.
 */
import { throwIfAborted, type Log } from '../../base/index.js'
import type { FetchBlock } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { DrivePort } from '../../tree-state/index.js'
import { relationOf } from '../../commits/index.js'
import { checkHeads } from '../heads/check-heads.js'
import type { Newer, SyncPhase, SyncSettings } from '../contract.js'
import type { DriveNames } from '../heads/heads.js'
import { pinVersion } from './pin-version.js'
import { putNames } from './put-names.js'
import { needsMerging } from '../heads/refusals.js'
import { sendBlocks } from './send-blocks.js'
import { settle, tellDriveThread } from './settle.js'
import type { Plan, SyncState } from '../state/sync-state.js'

export interface Publisher {
  readonly state: SyncState
  readonly port: Pick<DrivePort, 'readBlocks' | 'published'>
  readonly node: IpfsNode
  readonly names: DriveNames
  readonly deviceSlot: number
  readonly fetch: FetchBlock
  readonly settings: SyncSettings
  readonly log: Log
  readonly onPhase: (phase: SyncPhase) => void
  readonly onSent: (blocks: number, bytes: number, wasThere: boolean) => void
}

/**
 * Another device went on from here. A plan whose names were put before a crash may be what it went on from: then only what is left to do
 * here is done.
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
    if (phase === 'naming') await tellDriveThread(unfinished, publisher.state, publisher.port)
    await settle(unfinished, publisher.state)
  }
  const { dirtyInodes, held } = await port.counts()
  if (dirtyInodes > 0 || held.files > 0) throw needsMerging(newer, 'changes')
}

/** @param isFresh the plan was built just now, and nothing of it was sent before */
export async function publishPlan(
  begun: Plan,
  publisher: Publisher,
  isFresh: boolean,
  signal: AbortSignal,
): Promise<void> {
  const { state, port, node, names, deviceSlot, onPhase } = publisher
  let plan = begun
  const enter = async (phase: Plan['phase']): Promise<void> => {
    throwIfAborted(signal)
    plan = { ...plan, phase }
    state.put('plan', plan)
    await state.queue.commit()
  }
  if (plan.phase === 'sending') {
    onPhase('uploading')
    await sendBlocks(plan, publisher, !isFresh, signal)
    await enter('pinning')
  }
  if (plan.phase === 'pinning') {
    onPhase('pinning')
    await pinVersion(plan, { ...publisher, sendAgain: (stop) => sendBlocks(plan, publisher, false, stop) }, signal)
    await enter('naming')
  }
  if (plan.phase === 'naming') {
    onPhase('naming')
    const { newer } = await checkHeads(publisher, signal)
    if (newer !== undefined) throw needsMerging(newer, 'plan')
    await putNames(plan.records, deviceSlot, names, node, signal)
    await tellDriveThread(plan, state, port)
    await enter('settling')
  }
  onPhase('settling')
  await settle(plan, state)
}
