/** Builds a sorted map from its entries in order, node by node. The entries are never all in memory at once. */
import { DriveError, type Digest, type Random } from '../../base/index.js'
import type { Block, TreeRef } from '../contract.js'
import { MapNodeWriter, MAX_MAP_KEY_BYTES, type MapChild } from './map-node.js'
import { sealPrivateNode, sha256 } from '../private-node.js'

/**
 * One node of a built map. Callers keep the list of nodes to reuse unchanged ones in the next version; they store it
 * sealed, because it holds keys.
 */
export interface MapNode {
  /** 0 for leaves. */
  readonly level: number
  readonly firstKey: Uint8Array
  /** SHA-256 of the node's plaintext. It reveals the contents, so keep it private. */
  readonly plainHash: Digest
  readonly ref: TreeRef
}

/** Finds a node of an earlier version with exactly this plaintext. */
export type ReuseLookup = (level: number, firstKey: Uint8Array, plainHash: Digest) => TreeRef | undefined

export interface BuildOptions {
  readonly random: Random
  readonly reuse?: ReuseLookup
  /** All nodes of the previous version of this map. Equal nodes are reused; the others are reported in `dropped`. */
  readonly previous?: Iterable<MapNode>
  /** Whether an equal node of `previous` may be reused. If not, a new node replaces it and the old one is dropped. */
  readonly isReusable?: (ref: TreeRef) => boolean
}

export interface BuiltMap {
  readonly ref: TreeRef
  /** Only the new blocks. */
  readonly blocks: readonly Block[]
  /** Every node of the map, the root last. */
  readonly nodes: readonly MapNode[]
  /** Nodes of `previous` that this map no longer uses. */
  readonly dropped: readonly TreeRef[]
}

/** The result of `MapBuilder.finish`; the callback has already received the blocks. */
export type FinishedMap = Omit<BuiltMap, 'blocks'>

interface Level {
  readonly writer: MapNodeWriter
  /** The number of finished nodes, and the last one. */
  made: number
  last: MapChild | undefined
}

/**
 * Builds a sorted map of byte keys to byte values as private nodes. One changed entry changes only the nodes on its
 * path. A node whose plaintext is found by `reuse` or in `previous` keeps its block.
 * @param entries strictly ascending by key (unsigned bytes), keys of at most 1,024 bytes; INVALID otherwise
 */
export function buildMap(
  entries: Iterable<readonly [key: Uint8Array, value: Uint8Array]>,
  options: BuildOptions,
): BuiltMap {
  const blocks: Block[] = []
  const builder = new MapBuilder(options, (block) => blocks.push(block))
  for (const [key, value] of entries) builder.add(key, value)
  return { ...builder.finish(), blocks }
}

/**
 * Like `buildMap`, for entries that arrive one at a time. `onBlock` receives each new block as soon as it is sealed,
 * children before parents.
 */
export class MapBuilder {
  readonly #levels: Level[] = [newLevel(0)]
  readonly #nodes: MapNode[] = []
  readonly #previous = new Map<string, MapNode>()
  #lastKey: Uint8Array | undefined

  constructor(
    private readonly options: BuildOptions,
    private readonly onBlock: (block: Block) => void,
  ) {
    for (const node of options.previous ?? []) this.#previous.set(identity(node.level, node.plainHash), node)
  }

  /** @param key greater than the one before */
  add(key: Uint8Array, value: Uint8Array): void {
    if (key.length > MAX_MAP_KEY_BYTES) throw new DriveError('INVALID', 'A map key is too long.')
    if (this.#lastKey !== undefined && Buffer.compare(this.#lastKey, key) >= 0)
      throw new DriveError('INVALID', 'The map keys are not in ascending order.')
    this.#lastKey = key
    const { writer } = this.#levels[0]!
    if (!writer.fits(key, value.length)) this.#end(0)
    if (writer.addEntry(key, value)) this.#end(0)
  }

  finish(): FinishedMap {
    for (let at = 0; ; at++) {
      const level = this.#levels[at]!
      if (!level.writer.isEmpty || level.made === 0) this.#end(at)
      // A level with a single node holds the root. The unfinished nodes above it are discarded.
      if (level.made > 1) continue
      const dropped = [...this.#previous.values()].map((node) => node.ref)
      return { ref: level.last!.ref, nodes: this.#nodes, dropped }
    }
  }

  /** Completes the node that is being written at this level. */
  #end(at: number): void {
    const level = this.#levels[at]!
    const child = this.#seal(at, level.writer)
    level.made++
    level.last = child
    const { writer } = (this.#levels[at + 1] ??= newLevel(at + 1))
    if (!writer.fits(child.firstKey, CHILD_BYTES)) this.#end(at + 1)
    if (writer.addChild(child)) this.#end(at + 1)
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
    if (this.options.isReusable?.(known.ref) === false) return undefined
    this.#previous.delete(name)
    return known.ref
  }

  #sealNew(plain: Uint8Array): TreeRef {
    const { ref, block } = sealPrivateNode(plain, this.options.random)
    this.onBlock(block)
    return ref
  }
}

const CHILD_BYTES = 64

function newLevel(level: number): Level {
  return { writer: new MapNodeWriter(level), made: 0, last: undefined }
}

function identity(level: number, plainHash: Digest): string {
  return `${level}/${Buffer.from(plainHash).toString('latin1')}`
}
