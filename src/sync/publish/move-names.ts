/**
 * Moves the names of a drive to a pinned version. Two devices have no compare-and-swap, so each puts its own head
 * before it reads the others' heads. If two devices publish on top of one version, at least one of them sees the
 * other's head, and it stops before it moves the drive name. At the end all heads are read once more. Of the two names
 * one may be out of reach (see put-name.ts): then the version is found by the other.
 */
import { DriveError, equalBytes } from '../../base/index.js'
import { relationOf } from '../../commits/index.js'
import { checkHeads, type CheckedHeads, type HeadChecker } from '../heads/check-heads.js'
import type { NameNotices } from '../heads/name-notices.js'
import type { KnownHead } from '../contract.js'
import type { IpfsNode } from '../../node/index.js'
import { moveName, noNameMoves, type NamePutter } from './put-name.js'
import { needsMerging } from '../heads/refusals.js'
import type { Plan } from '../state/sync-state.js'

export interface NameMover extends HeadChecker {
  readonly node: Pick<IpfsNode, 'getName' | 'putName' | 'missing'>
  readonly notices: NamePutter['notices'] & Pick<NameNotices, 'saw'>
  /** See `nodeIdentity`. */
  readonly nodeIdentity: string
}

/**
 * @returns every device head as read after the put of the drive name
 * @throws DIVERGED when another device published on top of the version that `plan` is based on
 */
export async function moveNames(plan: Plan, mover: NameMover, signal: AbortSignal): Promise<readonly KnownHead[]> {
  const { names, deviceSlot, state, nodeIdentity } = mover
  const mayBeBehind = state.isHeldElsewhere(nodeIdentity)
  const { root, commit } = plan.version
  const check = async (all: boolean): Promise<CheckedHeads> => {
    const heads = await checkHeads(mover, { all, mayBeBehind, signal })
    mover.notices.saw(heads)
    await refuseForks(heads, plan, mover, signal)
    return heads
  }
  const { ignored } = await check(false)
  const records = names.makeRecords(root, commit)
  const isOwnMoved = await moveName(deviceSlot, records.device, ignored, mover, signal)
  const before = await check(true)
  const isDriveMoved = isNamed(before, plan) || (await moveName('drive', records.drive, before.ignored, mover, signal))
  const after = await check(true)
  if (isNamed(after, plan)) return after.devices
  const isDriveIgnored = !isDriveMoved || after.ignored.some(({ name }) => name === 'drive')
  if (isDriveIgnored && after.named === undefined) {
    // The device heads decide.
    if (isOwnMoved) return after.devices
    throw noNameMoves()
  }
  throw new DriveError('NODE_ERROR', 'The node lost the update of the drive name.')
}

async function refuseForks({ ahead }: CheckedHeads, plan: Plan, mover: NameMover, signal: AbortSignal): Promise<void> {
  for (const newer of ahead) {
    if ((await relationOf(newer.version, plan.version, mover, signal)) !== 'newer') throw needsMerging(newer, 'plan')
  }
}

/** The drive name points to the version, or to one that another device based on it meanwhile. */
function isNamed({ named, ahead }: CheckedHeads, { version }: Plan): boolean {
  if (named === undefined) return false
  return [version.root, ...ahead.map((newer) => newer.version.root)].some((root) => equalBytes(root, named.root))
}
