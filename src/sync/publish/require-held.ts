/** Before anything is built on a version: the node at hand lists its pin and its name, or gets it again. */
import { equalBytes } from '../../base/index.js'
import type { CheckedHeads } from '../heads/check-heads.js'
import { isPinned } from './pin-version.js'
import type { Publisher } from './publish.js'
import { restoreVersion } from './restore-version.js'

/** @param named what the drive name says on this node; it does not go on from the head */
export async function requireHeld(
  { named, ignored }: Pick<CheckedHeads, 'named' | 'ignored'>,
  publisher: Publisher,
  signal: AbortSignal,
): Promise<void> {
  const { state, nodeIdentity, isProvisional } = publisher
  const { head } = state
  if (head === undefined) return
  const isNamed =
    named === undefined
      ? ignored.some(({ name }) => name === 'drive')
      : [head.root, head.namedRoot].some((root) => equalBytes(root, named.root))
  if (!isNamed || !(await isPinned(head.root, publisher, signal))) {
    const mayNameDrive = !ignored.some(({ name }) => name === 'drive')
    await restoreVersion(publisher, mayNameDrive, signal)
  }
  if (isProvisional || state.holder === nodeIdentity) return
  state.put('holder', nodeIdentity)
  await state.queue.commit()
}
