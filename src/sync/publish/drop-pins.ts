/**
 * Removes old pins of a drive after the names have moved. Removes only ancestors of the version now named, and never a
 * version that a device head points to. The list of pins is read from the node, so pins left by a crash are removed
 * with the next version.
 */
import { equalBytes, toWire, type Digest, type Log } from '../../base/index.js'
import { cidOf, parseCid, type FetchBlock } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import { relationOf } from '../../commits/index.js'
import type { Version } from '../contract.js'
import type { DriveNames } from '../heads/drive-names.js'
import type { SyncState } from '../state/sync-state.js'

export interface PinDropper {
  readonly state: SyncState
  readonly node: Pick<IpfsNode, 'listPins' | 'unpin'>
  readonly names: DriveNames
  readonly fetch: FetchBlock
  readonly log: Log
}

/** At most this many versions are read from the node to check their descent. The rest waits for the next version. */
const MOST_READ = 8

/**
 * A failure only costs space, so it is logged. Only ABORTED is thrown.
 * @param named the version the names point to
 * @param heads the targets of the device heads
 */
export async function dropPins(
  named: Version,
  heads: readonly Digest[],
  dropper: PinDropper,
  signal: AbortSignal,
): Promise<void> {
  const { node, names, log } = dropper
  try {
    const kept = new Set([named.root, ...heads].map((root) => cidOf(root, 'dag-pb')))
    let reads = 0
    for (const { cid } of await node.listPins({ signal, name: names.pin })) {
      if (kept.has(cid)) continue
      const { digest } = parseCid(cid)
      const isAncestor =
        isKnownAncestor(digest, named, dropper.state) ||
        (reads++ < MOST_READ && (await descendsFrom(digest, named, dropper, signal)))
      if (isAncestor) await node.unpin(cid, { signal })
    }
  } catch (error) {
    if (signal.aborted) throw error
    log.warn('pins of older versions stay on the node until the next version', { code: toWire(error).code })
  }
}

/** True also for versions this device built and abandoned before they were named. */
function isKnownAncestor(root: Digest, { commit }: Version, state: SyncState): boolean {
  return [...commit.parents, ...state.pastHeads, ...state.abandoned].some((one) => equalBytes(one, root))
}

async function descendsFrom(root: Digest, named: Version, reader: PinDropper, signal: AbortSignal): Promise<boolean> {
  try {
    const version = await reader.names.openVersion(root, reader.fetch, signal)
    return (await relationOf(version, named, reader, signal)) === 'older'
  } catch (error) {
    if (signal.aborted) throw error
    return false // An unreadable version may or may not be an ancestor.
  }
}
