/**
 * Pins a new version beside the previous one. Blocks that the node turns out to lack are found and sent again. The old
 * pin stays until the names have moved (see drop-pins.ts).
 */
import { DriveError, isDriveError, type Digest, type Log } from '../../base/index.js'
import { cidOf } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { DriveNames } from '../heads/drive-names.js'
import { pagesOf } from '../../storage/kv/index.js'
import {
  decodeDelta,
  decodeOutgoing,
  digestOf,
  encodeOutgoing,
  isPinTreeDamaged,
  type BlockKind,
  LiveDelta,
} from '../../commits/index.js'
import { cidText } from './send-blocks.js'
import { whileSent } from './watch-sent.js'
import type { Plan, SyncState } from '../state/sync-state.js'

export type PinnedPlan = Pick<Plan, 'version' | 'base'>

export interface Pinner {
  readonly state: SyncState
  readonly node: Pick<IpfsNode, 'pin' | 'updatePin' | 'listPins' | 'missing'>
  readonly names: DriveNames
  readonly log: Log
  /** Sends the unsent blocks of `outgoing`. */
  readonly sendAgain: (signal: AbortSignal) => Promise<void>
}

const MOST_REPAIRS = 3
const CIDS_A_QUESTION = 1000

/**
 * When it resolves, the node holds every block of the version and lists its pin.
 * @param plan only its version and base are used
 */
export async function pinVersion(plan: PinnedPlan, pinner: Pinner, signal: AbortSignal): Promise<void> {
  for (let repairs = 0; ; repairs++) {
    try {
      await whileSent((stop) => addPin(plan, pinner, stop), pinner, signal)
      return await requireListed(plan, pinner, signal)
    } catch (error) {
      if (!isHole(error) || repairs === MOST_REPAIRS) throw error
      // A collection during the upload removes what was sent. Only if that is there, everything else is looked for.
      const sent = await markMissing(sentBlocks(pinner.state), pinner, signal)
      const missing = sent > 0 ? sent : await markMissing(blocksOfVersion(plan, pinner.state), pinner, signal)
      if (missing === 0) throw error
      pinner.log.warn('the node lost blocks it had confirmed; sending them again', { blocks: missing })
      await pinner.sendAgain(signal)
    }
  }
}

/**
 * Sends what the node lacks of a version that it did not get from this device. A pin of it would only fail after the
 * node has searched its network for the first block.
 */
export async function sendMissing(plan: PinnedPlan, pinner: Pinner, signal: AbortSignal): Promise<void> {
  const root = cidText(plan.version.root, 'dag-pb')
  if ((await pinner.node.missing([root], { signal })).length === 0) return
  if ((await markMissing(blocksOfVersion(plan, pinner.state), pinner, signal)) > 0) await pinner.sendAgain(signal)
}

/** A block is missing, or the node's bytes do not match its CID. Both are handled in the same way. */
function isHole(error: unknown): boolean {
  return isDriveError(error, 'NODE_ERROR') || isDriveError(error, 'WRONG_BLOCK')
}

async function addPin(plan: PinnedPlan, { node, names, state }: Pinner, signal: AbortSignal): Promise<void> {
  const to = cidOf(plan.version.root, 'dag-pb')
  const from = plan.base === undefined ? undefined : cidOf(plan.base, 'dag-pb')
  // Kubo does not check what it reads: from a damaged node it would go on to addresses nobody has, and wait for them.
  const isUsable = state.live?.isToBeReplaced !== true && !isPinTreeDamaged(state.tables)
  if (from !== undefined && isUsable) {
    try {
      return await node.updatePin(from, to, { signal })
    } catch (error) {
      // The old pin is missing (another node), or blocks are missing: `pin` shows which.
      if (!isHole(error) && !isDriveError(error, 'NOT_FOUND')) throw error
    }
  }
  await node.pin(to, { name: names.pin, signal })
}

async function requireListed({ version }: PinnedPlan, pinner: Pinner, signal: AbortSignal): Promise<void> {
  const { node, names } = pinner
  if (await isPinned(version.root, pinner, signal)) return
  // The version may be pinned under another name.
  await node.pin(cidOf(version.root, 'dag-pb'), { name: names.pin, signal })
  if (await isPinned(version.root, pinner, signal)) return
  throw new DriveError('NODE_ERROR', 'The node confirmed the pin of the version, but does not list it.')
}

/** @param root of a version */
export async function isPinned(
  root: Digest,
  { node, names }: { readonly node: Pick<IpfsNode, 'listPins'>; readonly names: DriveNames },
  signal: AbortSignal,
): Promise<boolean> {
  const wanted = cidOf(root, 'dag-pb')
  return (await node.listPins({ signal, name: names.pin })).some(({ cid }) => cid === wanted)
}

/** Searches the node for blocks of the version, and marks missing ones as unsent. @returns how many are missing */
async function markMissing(blocks: Iterable<VersionBlock>, pinner: Pinner, signal: AbortSignal): Promise<number> {
  const { state, node } = pinner
  let found = 0
  for (const batch of batches(blocks)) {
    const missing = new Set(
      await node.missing(
        batch.map(({ digest, kind }) => cidText(digest, kind)),
        { signal },
      ),
    )
    const lost = batch.filter(({ digest, kind }) => missing.has(cidText(digest, kind)))
    for (const { digest, kind } of lost) {
      const known = state.tables.outgoing.get(digest)
      const row = known === undefined ? { kind, sizeBytes: 0, isRepair: true } : decodeOutgoing(known)
      state.tables.outgoing.put(digest, encodeOutgoing({ ...row, isSent: false }))
    }
    found += lost.length
    if (lost.length > 0) await state.queue.commit()
  }
  return found
}

interface VersionBlock {
  readonly digest: Uint8Array
  readonly kind: BlockKind
}

function* sentBlocks({ tables }: SyncState): Generator<VersionBlock> {
  for (const rows of pagesOf(tables.outgoing))
    for (const [digest, row] of rows) yield { digest: digestOf(digest), kind: decodeOutgoing(row).kind }
}

/**
 * Live blocks, the pin tree's nodes, the commit and the root. Tree nodes are the blocks whose bytes are kept in
 * `nodes`.
 */
function* blocksOfVersion(plan: PinnedPlan, state: SyncState): Generator<VersionBlock> {
  const { tables } = state
  const delta = new LiveDelta(tables)
  const kindOf = (digest: Uint8Array): BlockKind => (tables.nodes.get(digest) === undefined ? 'leaf' : 'node')
  for (const rows of pagesOf(tables.live)) {
    for (const [digest] of rows) {
      const change = tables.delta.get(digest)
      if (change !== undefined && delta.uses(digest, decodeDelta(change)).after === 0) continue
      yield { digest: digestOf(digest), kind: kindOf(digest) }
    }
  }
  for (const rows of pagesOf(tables.delta)) {
    for (const [digest, value] of rows) {
      const { before, after } = delta.uses(digest, decodeDelta(value))
      if (before === 0 && after > 0) yield { digest: digestOf(digest), kind: kindOf(digest) }
    }
  }
  for (const table of [tables.forest, tables.newForest]) {
    for (const rows of pagesOf(table)) {
      for (const [, digest] of rows)
        if (tables.nodes.get(digest) !== undefined) yield { digest: digestOf(digest), kind: 'dag-pb' }
    }
  }
  yield { digest: plan.version.commitDigest, kind: 'node' }
  yield { digest: plan.version.root, kind: 'dag-pb' }
}

function* batches(blocks: Iterable<VersionBlock>): Generator<VersionBlock[]> {
  let batch: VersionBlock[] = []
  for (const block of blocks) {
    if (batch.push(block) < CIDS_A_QUESTION) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
