/** Checks that a node stores and returns name records: a drive on a node without them could not be found again. */
import type { Clock, Random } from '../../base/index.js'
import { publicKeyOfSeed } from '../../crypto/index.js'
import { cidOf, makeNameRecord, nameOfKey } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'

/** Long enough for wrong clocks. After it, the node drops the record. */
const LIFETIME_MS = 24 * 60 * 60_000

/** Stores a record under a new name and reads it back. Its key is forgotten. @throws the node's error */
export async function tryNames(
  node: Pick<IpfsNode, 'putName'>,
  { clock, random }: { readonly clock: Pick<Clock, 'nowMs'>; readonly random: Random },
  signal: AbortSignal,
): Promise<void> {
  const seed = random.bytes(32)
  const validUntilMs = clock.nowMs() + LIFETIME_MS
  const record = { cid: cidOf(random.bytes(32), 'dag-pb'), sequence: 0, validUntilMs, ttlMs: 1000 }
  // `putName` reads the record back.
  await node.putName(nameOfKey(publicKeyOfSeed(seed)), makeNameRecord(record, seed), { signal })
}
