/** The state shared by the parts of a commit build. */
import type { Digest, Random, SecretKey } from '../../base/index.js'
import { MapBuilder, type FetchBlock, type MapNode, type MapRow, type TreeRef } from '../../dag/index.js'
import type { ChunkSealer } from './merge-pages.js'
import type { DrivePort, TreeView } from '../../tree-state/index.js'
import type { Environment } from '../../storage/kv/index.js'
import type { Pace } from './pace.js'
import type { LiveDelta } from '../tables/live-delta.js'
import { encodeMapNodes, nodesOf, rootDigestOf } from '../tables/map-nodes.js'
import { isNothingDamaged, isToAvoid } from '../tables/damaged-blocks.js'
import { encodeNode, type QueueTables } from '../tables/queue-tables.js'

export interface BuildContext {
  readonly view: TreeView
  readonly tables: QueueTables
  readonly queue: Environment
  readonly delta: LiveDelta
  /**
   * Rows born at or before this sequence are in the published version. -1 for a version built from scratch, so that all
   * rows are counted.
   */
  readonly published: number
  /** The build does not rely on the published version: every reference is recounted. */
  readonly isAnew: boolean
  /** The commit sequence that is being published. */
  readonly sequence: number
  readonly port: Pick<DrivePort, 'adopt'>
  readonly sealer: ChunkSealer
  readonly random: Random
  /** Fetches tree nodes of the published version, from this machine or from the node. */
  readonly fetch: FetchBlock
  readonly readLeaf: (digest: Digest, key: SecretKey) => Promise<Uint8Array>
  readonly signal: AbortSignal
  readonly pace: Pace
}

/**
 * A new version of a map: equal nodes of `previous` are reused, new ones are stored and gain a reference, the others
 * lose a reference. Holds one node's rows at a time.
 * @param rows ascending by key
 * @param previous the content node of the published version
 */
export async function buildVersion(
  rows: Iterable<MapRow> | AsyncIterable<MapRow>,
  previous: TreeRef | undefined,
  context: BuildContext,
): Promise<TreeRef> {
  const { tables, delta, random, pace } = context
  const before = await previousNodes(previous, context)
  const isReusable = (ref: TreeRef): boolean => !isToAvoid(ref.digest, tables)
  const builder = new MapBuilder({ random, previous: before, isReusable }, (block) => {
    tables.nodes.put(block.digest, encodeNode(block))
    if (!context.isAnew) delta.add(block.digest, 1, 'node', block.bytes.length)
  })
  for await (const [key, value] of rows) {
    builder.add(key, value)
    await pace.step(value.length)
  }
  const built = builder.finish()
  if (context.isAnew) for (const { ref } of built.nodes) delta.add(ref.digest, 1, 'node', NODE_BYTES)
  else for (const ref of built.dropped) delta.add(ref.digest, -1, 'node')
  if (previous === undefined || !sameDigest(built.ref.digest, previous.digest)) {
    tables.maps.put(built.ref.digest, encodeMapNodes(built.nodes))
    tables.mapChanges.put(built.ref.digest, MADE)
    forgetMap(before, context)
  }
  return built.ref
}

/** Removes a reference from all nodes of a published map. */
export async function dropMap(ref: TreeRef, context: BuildContext): Promise<void> {
  const nodes = await previousNodes(ref, context)
  if (!context.isAnew) for (const node of nodes) context.delta.add(node.ref.digest, -1, 'node')
  forgetMap(nodes, context)
}

function forgetMap(nodes: readonly MapNode[], { tables }: BuildContext): void {
  const root = rootDigestOf(nodes)
  if (root !== undefined) tables.mapChanges.put(root, DROPPED)
}

/**
 * The nodes of `ref`, empty if the published version does not have this map. Such nodes have no reference to reuse or
 * remove, and the node may have collected them.
 */
async function previousNodes(ref: TreeRef | undefined, context: BuildContext): Promise<MapNode[]> {
  if (ref === undefined || !isPublished(ref, context)) return []
  if (context.isAnew && context.tables.maps.get(ref.digest) === undefined) return []
  return nodesOf(ref, context.tables.maps, context.fetch, context.signal)
}

/**
 * Whether the published version has this map. The tree may still refer to a replaced map: a directory was part of a
 * snapshot for publishing, and was removed before the version was published.
 */
export function isPublished(ref: TreeRef, { tables }: BuildContext): boolean {
  return tables.live.get(ref.digest) !== undefined
}

/** Whether the next version must make new nodes for this map although its rows are the same. */
export async function isToBeRenewed(ref: TreeRef | undefined, context: BuildContext): Promise<boolean> {
  const { tables } = context
  if (ref === undefined || isNothingDamaged(tables)) return false
  return (await previousNodes(ref, context)).some((node) => isToAvoid(node.ref.digest, tables))
}

/** Used only for progress. */
const NODE_BYTES = 64 * 1024

export const MADE = Buffer.of(1)
export const DROPPED = Buffer.of(2)

export function sameDigest(a: Digest, b: Digest): boolean {
  return Buffer.compare(a, b) === 0
}
