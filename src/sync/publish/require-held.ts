/**
 * Before a build on top of a version, checks that the node lists its pin and its name, or sends it again. A node that
 * is new to the drive gets the heads of all devices.
 */
import { equalBytes } from '../../base/index.js'
import type { CheckedHeads } from '../heads/check-heads.js'
import { claimSlot } from './claim-slot.js'
import { isPinned } from './pin-version.js'
import type { Publisher } from './publish.js'
import { putKnownHeads } from '../moved-node/put-known-heads.js'
import { restoreVersion } from '../moved-node/restore-version.js'

/** @param heads of this node; none of them is ahead of our version */
export async function requireHeld(
  heads: Pick<CheckedHeads, 'named' | 'ignored' | 'newer' | 'devices'>,
  publisher: Publisher,
  signal: AbortSignal,
): Promise<void> {
  const { state, nodeIdentity, isProvisional } = publisher
  const { named, ignored } = heads
  const { head } = state
  if (head === undefined) return
  const isNamed =
    named === undefined
      ? ignored.some(({ name }) => name === 'drive')
      : [head.root, head.namedRoot].some((root) => equalBytes(root, named.root))
  // A node cannot pin a damaged pin tree. The next version gets a whole one, and is sent with all that the node lacks.
  const isToBeHeld = state.live?.isToBeReplaced !== true
  if (isToBeHeld && (!isNamed || !(await isPinned(head.root, publisher, signal)))) {
    await restoreVersion(publisher, ignored, signal)
  }
  const isElsewhere = state.isHeldElsewhere(nodeIdentity)
  if (isElsewhere) await claimSlot(publisher, heads, signal)
  const devices = isElsewhere ? await putKnownHeads(head, heads.devices, publisher, signal) : state.devices
  if (isProvisional || state.holder === nodeIdentity) return
  state.put('devices', devices)
  state.confirmedBy(nodeIdentity, head.root)
  await state.queue.commit()
}
