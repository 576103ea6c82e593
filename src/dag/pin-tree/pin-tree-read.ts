import type { Digest } from '../../base/index.js'
import type { Cid } from '../cid.js'
import type { FetchBlock } from '../contract.js'
import { corrupt } from '../corrupt.js'
import { bitsOf, MAX_PIN_TREE_DEPTH } from './pin-tree-shape.js'
import { decodePinTreeNode } from './links-block.js'
import type { ReadOptions } from '../map/map-read.js'
import { prefetch } from '../map/prefetch.js'

export interface PinTreeLeaf {
  /** Live digests (raw blocks), ascending within and across leaves. */
  readonly digests: readonly Digest[]
  /** Depth of the pin tree, as in `UpdatedPinTree.bits`: a build with this depth makes the same nodes again. */
  readonly bits: number
}

const DEFAULT_WIDTH = 16

/**
 * Yields all live digests of a version, one leaf node at a time, with parallel fetches. CORRUPT when the blocks are not
 * a pin tree.
 */
export async function* readPinTree(
  root: Digest,
  fetch: FetchBlock,
  options: ReadOptions = {},
): AsyncGenerator<PinTreeLeaf, void, undefined> {
  let last: Digest | undefined
  const top = decodePinTreeNode(await fetch(root, 'dag-pb', options.signal))
  for await (const { links, depth } of leavesBelow(top, 1, fetch, options)) {
    const digests = links.map((link) => link.digest)
    for (const digest of digests) {
      if (last !== undefined && Buffer.compare(last, digest) >= 0)
        throw corrupt('the blocks of a version are out of order')
      last = digest
    }
    yield { digests, bits: bitsOf(depth, top.length) }
  }
}

async function* leavesBelow(
  links: readonly Cid[],
  depth: number,
  fetch: FetchBlock,
  options: ReadOptions,
): AsyncGenerator<{ links: readonly Cid[]; depth: number }, void, undefined> {
  const kinds = new Set(links.map((link) => link.codec))
  if (kinds.size > 1 || (links.length === 0 && depth > 1)) throw corrupt('a pin tree node mixes kinds of links')
  if (!kinds.has('dag-pb')) return yield { links, depth }
  if (depth >= MAX_PIN_TREE_DEPTH) throw corrupt('a pin tree is too deep')
  const width = options.width ?? DEFAULT_WIDTH
  const children = prefetch(links, width, ({ digest }) => fetch(digest, 'dag-pb', options.signal))
  // Decoded here, not ahead: decoded links take many times the memory of their bytes.
  for await (const child of children) yield* leavesBelow(decodePinTreeNode(child), depth + 1, fetch, options)
}
