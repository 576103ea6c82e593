/**
 * A version shall not name a block that the node keeps damaged under its address, though the node says that it took
 * it.
 */
import type { CheckParts } from './parts.js'
import { readFromNode } from './copies.js'
import { damagedIn, forget } from './damage.js'
import { LostBlock } from '../publish/send-blocks.js'

/**
 * Reads back what was found damaged before and is part of the upload. @throws LostBlock the version has to be built
 * anew
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
      if (kind !== 'good') throw new LostBlock('The node keeps damaged bytes of a block that was sent to it again.')
      forget(digest, state)
    }
  }
  await state.queue.commit()
}
