/** Reads blocks of the version from the node and notes those it does not have as they should be. */
import { BoundedQueue, throwIfAborted, type Digest } from '../../base/index.js'
import { digestOf } from '../../commits/index.js'
import { pagesOf } from '../../storage/kv/index.js'
import type { CheckParts } from './parts.js'
import { readFromNode } from './copies.js'
import { isOfVersion, noteDamage, type DamagedRow } from './damage.js'

/** Blocks read from the node at the same time. */
const READS = 4
const ROWS_A_PAGE = 128
/** With so many unreadable blocks and no good one, the failure is the node's. */
const MOST_UNREADABLE = 4

/** @param onRead blocks that were read, and their bytes */
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
 * Those of `digests` that the version has. Durable when it resolves. Throws the failure of a node
 * that can read none of them. @returns how many are not as they should be
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
    // A node that can read none of its blocks has another trouble than bad blocks, and repairs would not end it.
    if (failure !== undefined && ++unreadable >= MOST_UNREADABLE && good === 0) throw failure
    onRead(1, bytes.length)
    if (kind !== 'good') found.push({ digest, codec: 'raw', state: 'open', kind })
  }
  await Promise.all(digests.map((digest) => queue.run(() => check(digest))))
  // A version may have been published meanwhile, and what it left out have been collected.
  const wanted = found.filter((row) => isOfVersion(row, parts.state))
  await noteDamage(wanted, parts)
  return wanted.length
}
