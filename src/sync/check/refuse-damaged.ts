/**
 * Prevents a new version from referring to a block whose copy on the node stays damaged, even if the node confirmed the
 * upload.
 */
import type { CheckParts } from './parts.js'
import { readFromNode } from './copies.js'
import { damagedIn, forget } from './damage.js'
import { LostBlock } from '../publish/send-blocks.js'

/**
 * Reads back the blocks of this upload that an earlier check found damaged.
 * @throws LostBlock if the version has to be rebuilt
 */
export async function refuseDamaged(
  parts: Pick<CheckParts, 'state' | 'node' | 'core'>,
  signal: AbortSignal,
): Promise<void> {
  const { state } = parts
  for (const rows of damagedIn(['open', 'lost', 'replaced'], state)) {
    for (const { digest, codec } of rows) {
      if (codec === 'dag-pb' || state.tables.outgoing.get(digest) === undefined) continue
      const { kind } = await readFromNode(digest, codec, parts, signal)
      if (kind !== 'good') throw new LostBlock('The node keeps damaged bytes of a block that was sent again.')
      forget(digest, state)
    }
  }
  await state.queue.commit()
}
