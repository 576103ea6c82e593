/**
 * The first half of a publish: turns a snapshot of the drive into a `Plan`, in which every block to send is known and
 * durable.
 */
import { throwIfAborted, toWire, type Clock, type Digest, type Log, type Random } from '../../base/index.js'
import type { DriveKeys } from '../../crypto/index.js'
import { driveSequence, sealCommit, versionRootBlock, type Commit, type FetchBlock } from '../../dag/index.js'
import { CHUNK, type Core } from '../../pipeline/index.js'
import { type DrivePort, TreeView } from '../../tree-state/index.js'
import type { EnvironmentReader } from '../../storage/kv/index.js'
import { abandonPlan } from '../publish/abandon-plan.js'
import {
  Pace,
  type BuildContext,
  type ChunkSealer,
  parentsAfter,
  buildDuplicates,
  buildPinTree,
  listOutgoing,
  storeBlock,
  countPublishedOut,
  countRemoved,
  buildTree,
  isUnreadablePart,
  LiveDelta,
} from '../../commits/index.js'
import { LeafReader } from '../fetch/leaf-reader.js'
import type { LocalBlockReader } from '../fetch/local-blocks.js'
import type { Head, Plan, SyncState } from '../state/sync-state.js'

export interface Builder {
  readonly state: SyncState
  readonly port: Pick<DrivePort, 'freeze' | 'resume' | 'adopt' | 'giveBack'>
  readonly blocks: Pick<LocalBlockReader, 'read'>
  readonly meta: EnvironmentReader
  readonly keys: DriveKeys
  readonly core: Core
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly deviceSlot: number
  readonly deviceName: string
  /** Tree and pin tree nodes of published versions. */
  readonly fetch: FetchBlock
  /** Sealed leaf blocks that are not on this machine. */
  readonly fetchBlocks: (digests: readonly Digest[], signal?: AbortSignal) => Promise<Uint8Array[]>
}

/** @returns undefined when the published version already has all changes, and pins all its files */
export async function buildCommit(builder: Builder, signal: AbortSignal): Promise<Plan | undefined> {
  try {
    return await buildFromLast(builder, signal)
  } catch (error) {
    if (!signal.aborted) await forgetBuild(builder)
    throw error
  }
}

/**
 * The node may have lost blocks that it had confirmed, and another device may have published lists that cannot be
 * decoded. If a version cannot be built from the last one, it is rebuilt from the tree.
 */
async function buildFromLast(builder: Builder, signal: AbortSignal): Promise<Plan | undefined> {
  try {
    return await build(builder, false, signal)
  } catch (error) {
    if (!isUnreadablePart(error) || builder.state.head === undefined) throw error
    const { code } = error
    builder.log.warn('a part of the published version is unusable; rebuilding the next one from the tree', { code })
    return build(builder, true, signal)
  }
}

/** Frees the space of a failed build at once. If that fails too, the next build starts with it. */
async function forgetBuild({ state, port, log }: Builder): Promise<void> {
  try {
    await abandonPlan(state, port)
  } catch (error) {
    log.warn('a failed build was not undone yet', { code: toWire(error).code })
  }
}

async function build(builder: Builder, isAnew: boolean, signal: AbortSignal): Promise<Plan | undefined> {
  const { state } = builder
  await abandonPlan(state, builder.port)
  const { view, sequence } = await frozenView(builder)
  try {
    throwIfAborted(signal)
    if (state.head !== undefined && isUnchanged(view) && state.live?.isToBeReplaced !== true) return undefined
    const { tables, queue } = state
    const leaves = new LeafReader(builder, signal)
    const context: BuildContext = {
      view,
      tables,
      queue,
      delta: new LiveDelta(tables),
      published: isAnew ? -1 : view.published,
      isAnew,
      sequence,
      port: builder.port,
      sealer: sealerOf(builder),
      random: builder.random,
      fetch: builder.fetch,
      readLeaf: (digest, key) => leaves.read(digest, key),
      signal,
      pace: new Pace(queue, signal),
    }
    const plan = await buildPlan(context, builder)
    state.put('plan', plan)
    await queue.commit()
    return plan
  } finally {
    view.close()
  }
}

/** Merged pages are cut and sealed on this thread, one window at a time. */
function sealerOf({ core, keys }: Builder): ChunkSealer {
  return {
    fixedBytes: CHUNK.FIXED,
    cut: (plain, mode, isEnd) => core.cut(plain, mode, isEnd, keys),
    seal: (plain) => {
      const { sealed, digest, key, dedupId } = core.sealLeaf(plain, keys)
      return { digest, bytes: sealed, dedupId, key }
    },
  }
}

async function frozenView({ port, meta }: Builder): Promise<{ view: TreeView; sequence: number }> {
  const { sequence } = await port.freeze()
  try {
    return { view: new TreeView(meta.snapshot()), sequence }
  } finally {
    await port.resume()
  }
}

function isUnchanged(view: TreeView): boolean {
  return !view.hasChanges && !view.hasRemoved
}

async function buildPlan(context: BuildContext, builder: Builder): Promise<Plan> {
  const head = builder.state.head
  if (context.isAnew) await countPublishedOut(context)
  const tree = await buildTree(head?.commit.links, context)
  await countRemoved(context)
  const duplicates = await buildDuplicates(head?.commit.duplicates, context)
  const { liveChange, ...blocks } = await listOutgoing(context)
  const liveBlocks = (head?.commit.liveBlocks ?? 0) + liveChange
  const forest = buildPinTree(liveBlocks, head?.forestBits, context)
  const commit: Commit = {
    version: 1,
    driveId: driveIdOf(head, builder),
    height: (head?.commit.height ?? 0) + 1,
    parents: head === undefined ? [] : parentsAfter(head, builder.state.namedBases),
    deviceSlot: builder.deviceSlot,
    deviceName: builder.deviceName,
    timeMs: Math.max(0, Math.floor(builder.clock.nowMs())),
    root: tree.root,
    links: tree.links,
    duplicates,
    forest: forest.root,
    liveBlocks,
  }
  const sealed = sealCommit(commit, builder.keys, builder.random)
  const root = versionRootBlock({ commit: sealed.digest, forest: forest.root })
  storeBlock(sealed.digest, sealed.bytes, 'node', context)
  storeBlock(root.digest, root.bytes, 'dag-pb', context)
  return {
    phase: 'sending',
    version: { root: root.digest, commit, commitDigest: sealed.digest },
    base: head?.root,
    nameSequence: driveSequence(commit.height, commit.deviceSlot),
    sequence: context.sequence,
    removedBefore: context.view.nextRemoved,
    forestBits: forest.bits,
    files: tree.files,
    blocks: {
      count: blocks.count + forest.count + 2,
      bytes: blocks.bytes + forest.bytes + sealed.bytes.length + root.bytes.length,
    },
  }
}

function driveIdOf(head: Head | undefined, { state, random }: Builder): Uint8Array {
  const known = head?.commit.driveId ?? state.identity?.driveId
  if (known !== undefined) return known
  const driveId = random.bytes(16)
  state.put('identity', { driveId })
  return driveId
}
