/** What the parts of a commit builder share. */
import { setImmediate } from 'node:timers/promises'
import { throwIfAborted, type Digest, type Random, type SecretKey } from '../../base/index.js'
import { buildMap, type BuiltMap, type FetchBlock, type MapNode, type TreeRef } from '../../dag/index.js'
import type { ChunkSealer } from './merge-pages.js'
import type { DrivePort, TreeView } from '../../tree-state/index.js'
import type { Environment } from '../../storage/kv/index.js'
import type { LiveDelta } from '../tables/live-delta.js'
import { encodeMapNodes, nodesOf, rootDigestOf } from '../tables/map-nodes.js'
import { encodeNode, type QueueTables } from '../tables/queue-tables.js'

export interface BuildContext {
  readonly view: TreeView
  readonly tables: QueueTables
  readonly queue: Environment
  readonly delta: LiveDelta
  /** Rows born at most then are in the published version. */
  readonly published: number
  /** The instant being published. */
  readonly sequence: number
  readonly port: Pick<DrivePort, 'adopt'>
  readonly sealer: ChunkSealer
  readonly random: Random
  /** Tree nodes of the published version, from here or from the node. */
  readonly fetch: FetchBlock
  readonly readLeaf: (digest: Digest, key: SecretKey) => Promise<Uint8Array>
  readonly signal: AbortSignal
  readonly pace: Pace
}

/** Keeps a long build from holding up the event loop and from filling memory with uncommitted rows. */
export class Pace {
  #steps = 0

  constructor(
    private readonly queue: Environment,
    private readonly signal: AbortSignal,
  ) {}

  /** Call once an inode or so; rows written before it may become durable. */
  async step(): Promise<void> {
    if (++this.#steps % STEPS_A_TURN !== 0) return
    await setImmediate()
    throwIfAborted(this.signal)
    if (this.queue.pendingBytes > MOST_PENDING_BYTES) await this.queue.commit()
  }
}

const STEPS_A_TURN = 64
const MOST_PENDING_BYTES = 16 * 1024 * 1024

/**
 * A new version of a map: equal nodes of `previous` are reused, new ones stored and counted in, the rest counted out.
 * @param previous the content node of the published version
 */
export async function buildVersion(
  rows: Iterable<readonly [Uint8Array, Uint8Array]>,
  previous: TreeRef | undefined,
  context: BuildContext,
): Promise<TreeRef> {
  const { tables, delta, random } = context
  const before = await previousNodes(previous, context)
  const built: BuiltMap = buildMap(rows, { random, previous: before })
  for (const block of built.blocks) {
    tables.nodes.put(block.digest, encodeNode(block))
    delta.add(block.digest, 1, 'node', block.bytes.length)
  }
  for (const ref of built.dropped) delta.add(ref.digest, -1, 'node')
  if (previous === undefined || !sameDigest(built.ref.digest, previous.digest)) {
    tables.maps.put(built.ref.digest, encodeMapNodes(built.nodes))
    tables.mapChanges.put(built.ref.digest, MADE)
    forgetMap(before, context)
  }
  return built.ref
}

/** All nodes of a published map leave the version. */
export async function dropMap(ref: TreeRef, context: BuildContext): Promise<void> {
  const nodes = await previousNodes(ref, context)
  for (const node of nodes) context.delta.add(node.ref.digest, -1, 'node')
  forgetMap(nodes, context)
}

function forgetMap(nodes: readonly MapNode[], { tables }: BuildContext): void {
  const root = rootDigestOf(nodes)
  if (root !== undefined) tables.mapChanges.put(root, DROPPED)
}

/** Nodes the published version does not have can neither be reused nor leave it, and the node may have collected them. */
async function previousNodes(ref: TreeRef | undefined, context: BuildContext): Promise<MapNode[]> {
  if (ref === undefined || !isPublished(ref, context)) return []
  return nodesOf(ref, context.tables.maps, context.fetch, context.signal)
}

/**
 * Whether the published version has this map. The tree may still name one that was replaced: that of a directory which was frozen
 * for a version and removed before it was published.
 */
export function isPublished(ref: TreeRef, { tables }: BuildContext): boolean {
  return tables.live.get(ref.digest) !== undefined
}

export const MADE = Buffer.of(1)
export const DROPPED = Buffer.of(2)

export function sameDigest(a: Digest, b: Digest): boolean {
  return Buffer.compare(a, b) === 0
}
