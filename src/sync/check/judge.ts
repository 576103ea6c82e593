/** What became of damaged blocks, when all that can be done has been done. */
import type { CheckParts } from './parts.js'
import { goodCopyHere } from './copies.js'
import { damagedIn, forget, isOfVersion, putDamage } from './damage.js'

/**
 * What is still damaged is lost where no good copy is here; a replaced block that the version still names was not
 * repaired.
 * @param isPublished what was sealed anew is in the version; otherwise it is on its way
 */
export async function judge(parts: CheckParts, isPublished: boolean): Promise<void> {
  const { state } = parts
  for (const rows of damagedIn(['open', 'lost', 'exchange', ...(isPublished ? (['replaced'] as const) : [])], state)) {
    for (const row of rows) {
      const isWanted = isOfVersion(row, state)
      if (row.state === 'exchange') forget(row.digest, state)
      else if (!isWanted) putDamage({ ...row, state: 'replaced' }, state)
      else {
        const isHere = (await goodCopyHere(row.digest, parts)) !== undefined
        // A version that settles takes its predecessor's blocks away here before it becomes the version here.
        const isSure = state.plan === undefined && isOfVersion(row, state)
        if (!isHere && !isSure) continue
        putDamage({ ...row, state: isHere || row.codec === 'dag-pb' ? 'open' : 'lost' }, state)
      }
    }
  }
  await state.queue.commit()
}
