import type { Digest } from '../../base/index.js'
import type { Block } from '../contract.js'
import { leafBits, levelsOf, prefixOf, rangeOf, type PrefixRange } from './pin-tree-shape.js'
import { linksBlock } from './links-block.js'

/** The input of a pin tree: the live set now, and the previous version's pin tree if it is known. */
export interface PinTreeState {
  /** Number of live digests now. */
  readonly count: number
  /** Live digests within a range, ascending. */
  digests(range: PrefixRange): Iterable<Digest>
  /** `bits` of the previous pin tree; undefined builds a new pin tree. */
  readonly previousBits: number | undefined
  /** Digest of the previous pin tree's node at this prefix length and prefix; undefined if there was none. */
  previousNode(bits: number, prefix: number): Digest | undefined
  /** Every digest added or removed since the previous pin tree. Extra digests are harmless. */
  readonly changed: Iterable<Digest>
  /** Receives each new block as soon as it is encoded. Without it, new blocks are collected in `blocks`. */
  onBlock?(block: Block): void
}

/** A node of the pin tree: the root is at (0, 0). */
export interface PinTreeNode {
  readonly bits: number
  readonly prefix: number
  /** Undefined: the node was removed. */
  readonly digest: Digest | undefined
}

export interface UpdatedPinTree {
  readonly root: Digest
  /** Prefix length of the leaf nodes: `previousBits` of the next update. */
  readonly bits: number
  /** The depth changed, or there was no previous pin tree: replace the whole node table by `nodes`. */
  readonly rebuilt: boolean
  /** New dag-pb blocks, children before parents. Empty when `onBlock` received them. */
  readonly blocks: readonly Block[]
  /** Changed rows of the node table; all rows when `rebuilt`. */
  readonly nodes: readonly PinTreeNode[]
  /**
   * Nodes of the previous pin tree that this one no longer has. When `rebuilt`, nearly all previous nodes are dropped.
   */
  readonly dropped: readonly Digest[]
}

/**
 * Builds the pin tree of the live set. The result depends only on the set and the depth. Only the nodes above changed
 * digests are rebuilt, unless the number of digests requires another depth.
 */
export function updatePinTree(state: PinTreeState): UpdatedPinTree {
  const bits = leafBits(state.count, state.previousBits)
  const rebuilt = bits !== state.previousBits || state.previousNode(0, 0) === undefined
  const build = new PinTreeBuild(state, rebuilt)
  const levels = levelsOf(bits)
  const leaves = rebuilt ? allPrefixes(bits) : new Set(Array.from(state.changed, (digest) => prefixOf(digest, bits)))
  build.leaves(bits, leaves)
  let below: Iterable<number> = leaves
  for (let at = levels.length - 2; at >= 0; at--) {
    const [own, child] = [levels[at]!, levels[at + 1]!]
    const touched = new Set(Array.from(below, (prefix) => prefix >>> (child - own)))
    build.interior(own, child, touched)
    below = touched
  }
  return { root: build.node(0, 0)!, bits, rebuilt, blocks: build.blocks, nodes: build.nodes, dropped: build.dropped }
}

class PinTreeBuild {
  readonly blocks: Block[] = []
  readonly nodes: PinTreeNode[] = []
  readonly dropped: Digest[] = []
  readonly #made = new Map<string, Digest | undefined>()

  constructor(
    private readonly state: PinTreeState,
    private readonly rebuilt: boolean,
  ) {}

  leaves(bits: number, prefixes: Iterable<number>): void {
    for (const prefix of prefixes) {
      const links = Array.from(this.state.digests(rangeOf(bits, prefix)), (digest) => ({
        digest,
        codec: 'raw' as const,
      }))
      this.#put(bits, prefix, links.length === 0 && bits > 0 ? undefined : linksBlock(links))
    }
  }

  interior(bits: number, childBits: number, prefixes: Iterable<number>): void {
    const fanOut = 2 ** (childBits - bits)
    for (const prefix of prefixes) {
      const links = []
      for (let i = 0; i < fanOut; i++) {
        const digest = this.node(childBits, prefix * fanOut + i)
        if (digest !== undefined) links.push({ digest, codec: 'dag-pb' as const })
      }
      this.#put(bits, prefix, links.length === 0 && bits > 0 ? undefined : linksBlock(links))
    }
  }

  node(bits: number, prefix: number): Digest | undefined {
    const name = `${bits}/${prefix}`
    if (this.#made.has(name)) return this.#made.get(name)
    return this.rebuilt ? undefined : this.state.previousNode(bits, prefix)
  }

  #put(bits: number, prefix: number, block: Block | undefined): void {
    this.#made.set(`${bits}/${prefix}`, block?.digest)
    const before = this.rebuilt ? undefined : this.state.previousNode(bits, prefix)
    if (before !== undefined && block !== undefined && Buffer.compare(before, block.digest) === 0) return
    if (before === undefined && block === undefined) return
    if (before !== undefined) this.dropped.push(before)
    if (block !== undefined) this.#add(block)
    this.nodes.push({ bits, prefix, digest: block?.digest })
  }

  #add(block: Block): void {
    if (this.state.onBlock === undefined) this.blocks.push(block)
    else this.state.onBlock(block)
  }
}

function allPrefixes(bits: number): number[] {
  return Array.from({ length: 2 ** bits }, (_, prefix) => prefix)
}
