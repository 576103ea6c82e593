/**
 * Old pins of a drive, once the names have moved: only ancestors of the version now named go, and never one that the
 * head of a device names. What is pinned is asked of the node, so that what a crash left behind goes with the next
 * version.
 */
import { equalBytes, toWire, type Digest, type Log } from '../../base/index.js'
import { cidOf, parseCid, type FetchBlock } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import { relationOf } from '../../commits/index.js'
import type { Version } from '../contract.js'
import type { DriveNames } from '../heads/heads.js'
import type { SyncState } from '../state/sync-state.js'

export interface PinDropper {
  readonly state: SyncState
  readonly node: Pick<IpfsNode, 'listPins' | 'unpin'>
  readonly names: DriveNames
  readonly fetch: FetchBlock
  readonly log: Log
}

/** Versions whose descent has to be read from the node; the rest waits for the next version. */
const MOST_READ = 8

/**
 * A failure is logged and costs space only; ABORTED is thrown.
 * @param named the version the names point to @param heads what device heads name
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

/** Also what this device built and gave up before it was named. */
function isKnownAncestor(root: Digest, { commit }: Version, state: SyncState): boolean {
  return [...commit.parents, ...state.pastHeads, ...state.abandoned].some((one) => equalBytes(one, root))
}

async function descendsFrom(root: Digest, named: Version, reader: PinDropper, signal: AbortSignal): Promise<boolean> {
  try {
    const version = await reader.names.openVersion(root, reader.fetch, signal)
    return (await relationOf(version, named, reader, signal)) === 'older'
  } catch (error) {
    if (signal.aborted) throw error
    return false // It cannot be read, so nothing is known about it.
  }
}
