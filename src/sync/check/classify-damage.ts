/** Decides the state of damaged blocks after all repairs were tried. */
import type { CheckParts } from './parts.js'
import { goodCopyHere } from './copies.js'
import { damagedIn, forget, isOfVersion, putDamage } from './damage.js'

/**
 * A damaged block is lost if there is no good copy here. A replaced block that the version still refers to was not
 * repaired.
 * @param isPublished whether the version contains the resealed blocks; otherwise a publish is under way
 */
export async function classifyDamage(parts: CheckParts, isPublished: boolean): Promise<void> {
  const { state } = parts
  for (const rows of damagedIn(['open', 'lost', 'exchange', ...(isPublished ? (['replaced'] as const) : [])], state)) {
    for (const row of rows) {
      const isWanted = isOfVersion(row, state)
      if (row.state === 'exchange') forget(row.digest, state)
      else if (!isWanted) putDamage({ ...row, state: 'replaced' }, state)
      else {
        const isHere = (await goodCopyHere(row.digest, parts)) !== undefined
        // A settling version removes its predecessor's blocks here before it becomes the current version.
        const isSure = state.plan === undefined && isOfVersion(row, state)
        if (!isHere && !isSure) continue
        putDamage({ ...row, state: isHere || row.codec === 'dag-pb' ? 'open' : 'lost' }, state)
      }
    }
  }
  await state.queue.commit()
}
