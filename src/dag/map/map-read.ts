/** Reads sorted maps block by block through the caller's `fetch`. */
import { lowerBound, throwIfAborted } from '../../base/index.js'
import type { FetchBlock, TreeRef } from '../contract.js'
import { corrupt } from '../corrupt.js'
import { decodeMapNode, requireAscending, type MapChild, type MapInterior, type MapLeaf } from './map-node.js'
import type { MapNode } from './map-build.js'
import { openPrivateNode, sha256 } from '../private-node.js'
import { prefetch } from './prefetch.js'

export interface ReadOptions {
  readonly signal?: AbortSignal
  /** Leaves fetched at the same time below one interior node; 8 unless given. */
  readonly width?: number
  /** Yields only entries with a greater key. Nodes without such entries are not fetched. */
  readonly after?: Uint8Array
}

const DEFAULT_WIDTH = 8

/**
 * All entries in key order. Values are views on a node's plaintext: copy a value that outlives the loop. CORRUPT when
 * damaged.
 */
export async function* readMap(
  ref: TreeRef,
  fetch: FetchBlock,
  options: ReadOptions = {},
): AsyncGenerator<readonly [key: Uint8Array, value: Uint8Array], void, undefined> {
  for await (const items of readMapLeaves(ref, fetch, options)) yield* items
}

/** Like `readMap`, but yields all entries of one leaf at a time: cheaper for large maps. */
export async function* readMapLeaves(
  ref: TreeRef,
  fetch: FetchBlock,
  options: ReadOptions = {},
): AsyncGenerator<MapLeaf['items'], void, undefined> {
  for await (const { node } of walk(ref, fetch, options)) {
    if (!isMapLeaf(node) || node.items.length === 0) continue
    const { after } = options
    const items = after === undefined ? node.items : node.items.filter(([key]) => Buffer.compare(key, after) > 0)
    if (items.length > 0) yield items
  }
}

/**
 * Every node, the root last. This is the `nodes` list of `buildMap`, for a device that did not build the map itself.
 */
export async function readMapNodes(ref: TreeRef, fetch: FetchBlock, options: ReadOptions = {}): Promise<MapNode[]> {
  const nodes: MapNode[] = []
  for await (const node of eachMapNode(ref, fetch, options)) nodes.push(node)
  return nodes
}

/** The same, one node at a time. */
export async function* eachMapNode(
  ref: TreeRef,
  fetch: FetchBlock,
  options: ReadOptions = {},
): AsyncGenerator<MapNode, void, undefined> {
  for await (const { node, plain, ref: at } of walk(ref, fetch, options)) {
    const firstKey = (isMapLeaf(node) ? node.items[0]?.[0] : node.children[0]!.firstKey) ?? new Uint8Array(0)
    yield { level: node.level, firstKey, plainHash: sha256(plain), ref: at }
  }
}

/** The value of one key (a view), or undefined. Fetches one node per level. */
export async function getFromMap(
  ref: TreeRef,
  key: Uint8Array,
  fetch: FetchBlock,
  options: Pick<ReadOptions, 'signal'> = {},
): Promise<Uint8Array | undefined> {
  let { node } = await loadMapNode(ref, fetch, options.signal)
  while (!isMapLeaf(node)) {
    const child = childFor(node.children, key)
    if (child === undefined) return undefined
    node = checkedChild(node, child, (await loadMapNode(child.ref, fetch, options.signal)).node)
  }
  const at = lowerBound(node.items.length, (i) => Buffer.compare(node.items[i]![0], key) >= 0)
  const item = node.items[at]
  return item !== undefined && Buffer.compare(item[0], key) === 0 ? item[1] : undefined
}

/** A node, its plaintext and its reference. */
export interface LoadedMapNode {
  readonly node: MapLeaf | MapInterior
  readonly plain: Uint8Array
  readonly ref: TreeRef
}

/**
 * Walks depth first, children before their parent. The leaves below one parent are prefetched. Keys ascend across the
 * whole map, so the walk of a map in which a node has two parents ends at the first leaf that is reached again.
 */
async function* walk(
  ref: TreeRef,
  fetch: FetchBlock,
  options: ReadOptions,
): AsyncGenerator<LoadedMapNode, void, undefined> {
  let last: Uint8Array | undefined
  for await (const loaded of walkBelow(await loadMapNode(ref, fetch, options.signal), fetch, options)) {
    const { node } = loaded
    if (isMapLeaf(node) && node.items.length > 0) {
      requireAscending(last, node.items[0]![0])
      last = node.items.at(-1)![0]
    }
    yield loaded
  }
}

async function* walkBelow(
  loaded: LoadedMapNode,
  fetch: FetchBlock,
  options: ReadOptions,
): AsyncGenerator<LoadedMapNode, void, undefined> {
  const { node } = loaded
  if (!isMapLeaf(node)) {
    // On each level of an absurdly deep map, only one node is loaded ahead.
    const width = node.level === 1 ? (options.width ?? DEFAULT_WIDTH) : 1
    const below = prefetch(childrenAfter(node.children, options.after), width, async (child) => {
      return { child, plain: await loadPlainNode(child.ref, fetch, options.signal) }
    })
    for await (const { child, plain } of below) {
      throwIfAborted(options.signal)
      // Decoded here, not ahead: decoded rows take many times the memory of their bytes.
      const next = { node: checkedChild(node, child, decodeMapNode(plain)), plain, ref: child.ref }
      yield* walkBelow(next, fetch, options)
    }
  }
  yield loaded
}

/** Fetches, opens and decodes one node. */
export async function loadMapNode(
  ref: TreeRef,
  fetch: FetchBlock,
  signal: AbortSignal | undefined,
): Promise<LoadedMapNode> {
  const plain = await loadPlainNode(ref, fetch, signal)
  return { node: decodeMapNode(plain), plain, ref }
}

/** Fetches and opens one node. For a caller that holds several at a time: a decoded node takes much more memory. */
export async function loadPlainNode(
  ref: TreeRef,
  fetch: FetchBlock,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  return openPrivateNode(await fetch(ref.digest, 'raw', signal), ref)
}

/** Returns `node` if it is the child that the parent describes; CORRUPT otherwise. */
export function checkedChild(parent: MapInterior, child: MapChild, node: MapLeaf | MapInterior): MapLeaf | MapInterior {
  const firstKey = isMapLeaf(node) ? node.items[0]?.[0] : node.children[0]!.firstKey
  if (node.level !== parent.level - 1 || firstKey === undefined || Buffer.compare(firstKey, child.firstKey) !== 0) {
    throw corrupt('a map node is not the child that its parent describes')
  }
  return node
}

/** The children that may hold a key greater than `after`. A child ends where the next one begins. */
function childrenAfter(children: readonly MapChild[], after: Uint8Array | undefined): readonly MapChild[] {
  if (after === undefined) return children
  const begins = lowerBound(children.length, (i) => Buffer.compare(children[i]!.firstKey, after) > 0)
  return children.slice(Math.max(0, begins - 1))
}

function childFor(children: readonly MapChild[], key: Uint8Array): MapChild | undefined {
  return children[lowerBound(children.length, (i) => Buffer.compare(children[i]!.firstKey, key) > 0) - 1]
}

/** Whether the node is a leaf (level 0). */
export function isMapLeaf(node: MapLeaf | MapInterior): node is MapLeaf {
  return node.level === 0
}
