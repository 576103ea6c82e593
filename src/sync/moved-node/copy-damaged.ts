/** Takes good copies of blocks that are damaged at the node over from a store that the drive left, for a repair. */
import { equalBytes, isDriveError, throwIfAborted } from '../../base/index.js'
import { cidOf } from '../../dag/index.js'
import type { LeftStore } from '../../node/index.js'
import { goodCopyHere } from '../check/copies.js'
import { damagedIn, isOfVersion, putDamage, type DamagedRow } from '../check/damage.js'
import type { CheckParts } from '../check/parts.js'

/** The copies may not be evicted before they are repaired, so one call makes only this many. */
const MOST_BYTES = 256 * 1024 * 1024

/** Chunks, tables and the commit. Nodes of the pin tree are made anew from the list of blocks. */
export async function copyDamaged(
  store: Pick<LeftStore, 'getBlock'>,
  parts: CheckParts,
  signal: AbortSignal,
): Promise<void> {
  const { state } = parts
  let bytes = 0
  for (const rows of damagedIn(['open', 'lost'], state)) {
    for (const row of rows) {
      throwIfAborted(signal)
      if (bytes >= MOST_BYTES) return
      if (row.codec !== 'raw' || !isOfVersion(row, state)) continue
      if ((await goodCopyHere(row.digest, parts)) !== undefined) continue
      try {
        bytes += await copy(row, store, parts)
      } catch (error) {
        if (!isDriveError(error, 'NO_SPACE') && !isDriveError(error, 'QUOTA')) throw error
        return
      }
    }
    await state.queue.commit()
  }
}

/** @returns the bytes that were copied; 0 if the store has no good copy either */
async function copy(row: DamagedRow, store: Pick<LeftStore, 'getBlock'>, parts: CheckParts): Promise<number> {
  const { state, port, core } = parts
  const { digest } = row
  const bytes = await store.getBlock(cidOf(digest, 'raw')).catch(unlessBad)
  if (bytes === undefined || !equalBytes(core.sha256(bytes), digest)) return 0
  const [bad] = await port.readBlocks([digest])
  if (bad === undefined) await port.adopt([{ digest, bytes }])
  else await port.restoreBlocks([{ digest, bytes }])
  if (row.state === 'lost') putDamage({ ...row, state: 'open' }, state)
  return bytes.length
}

/** A damaged or missing block of the store. */
function unlessBad(error: unknown): undefined {
  if (!isDriveError(error, 'NOT_FOUND') && !isDriveError(error, 'WRONG_BLOCK') && !isDriveError(error, 'NODE_ERROR'))
    throw error
}
