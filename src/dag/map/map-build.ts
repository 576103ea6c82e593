import { DriveError, type Digest, type Random } from '../../base/index.js'
import type { Block, TreeRef } from '../contract.js'
import { MapNodeWriter, MAX_KEY_BYTES, type MapChild } from './map-node.js'
import { sealNode, sha256 } from '../private-node.js'

/** A node of a map that was built. Keep the list (sealed: it holds keys) to reuse unchanged nodes in the next version. */
export interface MapNode {
  /** 0 for leaves. */
  readonly level: number
  readonly firstKey: Uint8Array
  /** SHA-256 of the node's plaintext. Tells about the contents: keep it private. */
  readonly plainHash: Digest
  readonly ref: TreeRef
}

/** Finds a node of an earlier version with exactly this plaintext. */
export type ReuseLookup = (level: number, firstKey: Uint8Array, plainHash: Digest) => TreeRef | undefined

export interface BuildOptions {
  readonly random: Random
  readonly reuse?: ReuseLookup
  /** All nodes of the last version of this map: reused where equal, and the rest reported in `dropped`. */
  readonly previous?: Iterable<MapNode>
}

export interface BuiltMap {
  readonly ref: TreeRef
  /** Only blocks that are new. */
  readonly blocks: readonly Block[]
  /** Every node of the map, the root last. */
  readonly nodes: readonly MapNode[]
  /** Nodes of `previous` this map no longer uses. */
  readonly dropped: readonly TreeRef[]
}

/**
 * Builds a sorted map of byte keys to byte values as private nodes. One changed entry changes the nodes on its path; nodes whose
 * plaintext is found by `reuse` or in `previous` keep their block.
 * @param entries strictly ascending by key (unsigned bytes), keys of at most 1,024 bytes; otherwise throws INVALID
 */
export function buildMap(
  entries: Iterable<readonly [key: Uint8Array, value: Uint8Array]>,
  options: BuildOptions,
): BuiltMap {
  const builder = new Builder(options)
  let level = builder.buildLeaves(entries)
  for (let at = 1; level.length > 1; at++) level = builder.buildInterior(at, level)
  return builder.finish(level[0]!.ref)
}

class Builder {
  readonly #blocks: Block[] = []
  readonly #nodes: MapNode[] = []
  readonly #previous = new Map<string, MapNode>()

  constructor(private readonly options: BuildOptions) {
    for (const node of options.previous ?? []) this.#previous.set(identity(node.level, node.plainHash), node)
  }

  buildLeaves(entries: Iterable<readonly [Uint8Array, Uint8Array]>): MapChild[] {
    const writer = new MapNodeWriter(0)
    const made: MapChild[] = []
    let last: Uint8Array | undefined
    for (const [key, value] of entries) {
      if (key.length > MAX_KEY_BYTES) throw new DriveError('INVALID', 'A map key is too long.')
      if (last !== undefined && Buffer.compare(last, key) >= 0)
        throw new DriveError('INVALID', 'Map keys are not ascending.')
      last = key
      if (!writer.fits(key, value.length)) made.push(this.#seal(0, writer))
      if (writer.addEntry(key, value)) made.push(this.#seal(0, writer))
    }
    if (!writer.isEmpty || made.length === 0) made.push(this.#seal(0, writer))
    return made
  }

  buildInterior(level: number, children: readonly MapChild[]): MapChild[] {
    const writer = new MapNodeWriter(level)
    const made: MapChild[] = []
    for (const child of children) {
      if (!writer.fits(child.firstKey, 64)) made.push(this.#seal(level, writer))
      if (writer.addChild(child)) made.push(this.#seal(level, writer))
    }
    if (!writer.isEmpty) made.push(this.#seal(level, writer))
    return made
  }

  finish(ref: TreeRef): BuiltMap {
    return {
      ref,
      blocks: this.#blocks,
      nodes: this.#nodes,
      dropped: [...this.#previous.values()].map((node) => node.ref),
    }
  }

  #seal(level: number, writer: MapNodeWriter): MapChild {
    const firstKey = writer.firstKey ?? new Uint8Array(0)
    const plain = writer.take()
    const plainHash = sha256(plain)
    const ref = this.#findEqual(level, firstKey, plainHash) ?? this.#sealNew(plain)
    this.#nodes.push({ level, firstKey, plainHash, ref })
    return { firstKey, ref }
  }

  #findEqual(level: number, firstKey: Uint8Array, plainHash: Digest): TreeRef | undefined {
    const name = identity(level, plainHash)
    const known = this.#previous.get(name)
    if (known === undefined) return this.options.reuse?.(level, firstKey, plainHash)
    this.#previous.delete(name)
    return known.ref
  }

  #sealNew(plain: Uint8Array): TreeRef {
    const { ref, block } = sealNode(plain, this.options.random)
    this.#blocks.push(block)
    return ref
  }
}

function identity(level: number, plainHash: Digest): string {
  return `${level}/${Buffer.from(plainHash).toString('latin1')}`
}
