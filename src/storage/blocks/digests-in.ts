/** Finds the blocks in given segments with a scan of the whole index, in steps between which other work runs. */
import { setImmediate } from 'node:timers/promises'
import type { Digest } from '../../base/index.js'
import type { BlockRows } from './block-rows.js'

/** Rows may have changed by the time it resolves, so read each row again. */
export async function digestsIn(segments: ReadonlySet<number>, rows: BlockRows): Promise<Digest[]> {
  const found: Digest[] = []
  let looked = 0
  for (const [digest, { location }] of rows.all()) {
    if (segments.has(location.segment)) found.push(Uint8Array.from(digest))
    if (++looked % 2000 === 0) await setImmediate()
  }
  return found
}
