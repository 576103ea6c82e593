/** Reads blocks of the version from the node, and records damaged and missing ones. */
import { BoundedQueue, throwIfAborted, type Digest } from '../../base/index.js'
import { digestOf } from '../../commits/index.js'
import { pagesOf } from '../../storage/kv/index.js'
import type { CheckParts } from './parts.js'
import { readFromNode } from './copies.js'
import { isOfVersion, noteDamage, type DamagedRow } from './damage.js'

/** Concurrent reads from the node. */
const READS = 4
const ROWS_A_PAGE = 128
/** This many unreadable blocks without a good one are a failure of the node. */
const MOST_UNREADABLE = 4

/** @param onRead gets the number of blocks read, and their bytes */
export async function checkLiveBlocks(
  parts: CheckParts,
  signal: AbortSignal,
  onRead: (blocks: number, bytes: number) => void,
): Promise<void> {
  for (const rows of pagesOf(parts.state.tables.live, { pageRows: ROWS_A_PAGE })) {
    const digests = rows.map(([digest]) => digestOf(digest))
    await checkAtNode(digests, parts, signal, onRead)
  }
}

/**
 * Checks those of `digests` that belong to the version. Durable when it resolves.
 * @returns how many are damaged or missing
 * @throws the failure of a node that can read none of them
 */
export async function checkAtNode(
  digests: readonly Digest[],
  parts: CheckParts,
  signal: AbortSignal,
  onRead: (blocks: number, bytes: number) => void,
): Promise<number> {
  const queue = new BoundedQueue(READS)
  const found: DamagedRow[] = []
  let good = 0
  let unreadable = 0
  const check = async (digest: Digest): Promise<void> => {
    throwIfAborted(signal)
    const { kind, bytes, failure } = await readFromNode(digest, 'raw', parts, signal)
    if (kind === 'good') good++
    // A node that can read none of its blocks has a problem that repairing blocks does not solve.
    if (failure !== undefined && ++unreadable >= MOST_UNREADABLE && good === 0) throw failure
    onRead(1, bytes.length)
    if (kind !== 'good') found.push({ digest, codec: 'raw', state: 'open', kind })
  }
  await Promise.all(digests.map((digest) => queue.run(() => check(digest))))
  // If another version was published meanwhile, the node may have collected blocks of the old one.
  const wanted = found.filter((row) => isOfVersion(row, parts.state))
  await noteDamage(wanted, parts)
  return wanted.length
}
