/**
 * Moves the names of a drive to a pinned version. Two devices have no compare-and-swap, so each puts its own head
 * before it reads the others' heads. If two devices publish on top of one version, at least one of them sees the
 * other's head, and it stops before it moves the drive name. At the end all heads are read once more.
 */
import { DriveError, equalBytes } from '../../base/index.js'
import { relationOf } from '../../commits/index.js'
import { checkHeads, type CheckedHeads, type HeadChecker } from '../heads/check-heads.js'
import type { KnownHead } from '../contract.js'
import type { IpfsNode } from '../../node/index.js'
import { putName } from './put-name.js'
import { needsMerging } from '../heads/refusals.js'
import type { Plan } from '../state/sync-state.js'

export interface NameMover extends HeadChecker {
  readonly node: Pick<IpfsNode, 'getName' | 'putName' | 'missing'>
  /** See `nodeIdentity`. */
  readonly nodeIdentity: string
}

/**
 * @returns every device head as read after the put of the drive name
 * @throws DIVERGED when another device published on top of the version that `plan` is based on
 */
export async function moveNames(plan: Plan, mover: NameMover, signal: AbortSignal): Promise<readonly KnownHead[]> {
  const { names, node, deviceSlot, state, nodeIdentity } = mover
  const mayBeBehind = state.isHeldElsewhere(nodeIdentity)
  const { root, commit } = plan.version
  const check = async (all: boolean): Promise<CheckedHeads> => {
    const heads = await checkHeads(mover, { all, mayBeBehind, signal })
    await refuseForks(heads, plan, mover, signal)
    return heads
  }
  await check(false)
  const records = names.makeRecords(root, commit)
  await putName(names.device(deviceSlot), records.device, names, node, signal)
  const before = await check(true)
  if (!isReached(before, plan)) await putName(names.drive, records.drive, names, node, signal)
  const after = await check(true)
  if (isReached(after, plan)) return after.devices
  throw new DriveError('NODE_ERROR', 'The node lost the update of the drive name.')
}

async function refuseForks({ ahead }: CheckedHeads, plan: Plan, mover: NameMover, signal: AbortSignal): Promise<void> {
  for (const newer of ahead) {
    if ((await relationOf(newer.version, plan.version, mover, signal)) !== 'newer') throw needsMerging(newer, 'plan')
  }
}

/**
 * The drive name points to the version, or to one that another device based on it meanwhile. If the drive name is
 * ignored, the device heads decide.
 */
function isReached({ named, ahead, ignored }: CheckedHeads, { version }: Plan): boolean {
  if (ignored.some(({ name }) => name === 'drive')) return true
  if (named === undefined) return false
  return [version.root, ...ahead.map((newer) => newer.version.root)].some((root) => equalBytes(root, named.root))
}
