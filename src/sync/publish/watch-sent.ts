/**
 * Looks, while a node pins a version, whether it still has the blocks that were sent for it. A collection between the
 * upload and the pin removes them. Kubo then searches its network for them until its time limit, some two minutes.
 */
import { DriveError, hex, sleep, throwIfAborted } from '../../base/index.js'
import { withAnySignal, type CidText, type IpfsNode } from '../../node/index.js'
import { decodeOutgoing, digestOf } from '../../commits/index.js'
import { cidText } from './send-blocks.js'
import type { SyncState } from '../state/sync-state.js'

export interface SentWatcher {
  readonly state: Pick<SyncState, 'tables'>
  readonly node: Pick<IpfsNode, 'missing'>
}

const FIRST_LOOK_MS = 2000
const MOST_BETWEEN_LOOKS_MS = 60_000

/** @throws NODE_ERROR as soon as blocks are found to be missing; `pin` is aborted then */
export async function whileSent(
  pin: (signal: AbortSignal) => Promise<void>,
  watcher: SentWatcher,
  signal: AbortSignal,
): Promise<void> {
  const [lost, done] = [new AbortController(), new AbortController()]
  const watching = watch(watcher, lost, done.signal)
  try {
    await withAnySignal([signal, lost.signal], pin)
  } catch (error) {
    throwIfAborted(signal)
    if (!lost.signal.aborted) throw error
    throw new DriveError('NODE_ERROR', 'The node no longer has blocks that it had confirmed.', { cause: error })
  } finally {
    done.abort()
    await watching
  }
}

async function watch(watcher: SentWatcher, lost: AbortController, signal: AbortSignal): Promise<void> {
  try {
    for (let waitMs = FIRST_LOOK_MS; ; waitMs = Math.min(2 * waitMs, MOST_BETWEEN_LOOKS_MS)) {
      await sleep(waitMs, signal)
      if ((await watcher.node.missing(sample(watcher.state), { signal })).length === 0) continue
      lost.abort()
      return
    }
  } catch {
    // The pin ended, or the node does not answer: then the pin fails by itself.
  }
}

/**
 * At most one block for each first byte. Blocks are sent in the order of their digests, and a collection removes all
 * that were sent before it, so it hits one of these.
 */
function sample({ tables }: SentWatcher['state']): CidText[] {
  const some = new Map<string, CidText>()
  for (let first = 0; first < 256; first++) {
    for (const [key, row] of tables.outgoing.range({ start: Buffer.of(first), limit: 1 })) {
      some.set(hex(key), cidText(digestOf(key), decodeOutgoing(row).kind))
    }
  }
  return [...some.values()]
}
