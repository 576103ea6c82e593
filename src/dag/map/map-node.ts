/**
 * One node of the sorted map (docs/FORMAT.md, "Sorted map"): its bytes, and the rule that cuts a map into nodes. The
 * cut depends only on the items, so two maps with mostly equal items consist of mostly equal nodes.
 */
import { KIB, type Digest, type SecretKey } from '../../base/index.js'
import { CborReader } from '../cbor-reader.js'
import { CborWriter } from '../cbor-writer.js'
import type { TreeRef } from '../contract.js'
import { corrupt } from '../corrupt.js'
import { NODE_CAPACITY } from '../private-node.js'

/** No cut below this size, unless the next item does not fit. */
const LEAST_NODE_BYTES = 16 * KIB
/** Mean distance from the least size to the cut: nodes are about 64 KiB. */
const MEAN_EXTRA_BYTES = 48 * KIB
/** A node of several items stays below 256 KiB sealed. */
const MOST_NODE_BYTES = 256 * KIB - 256
/** Bytes an item takes in addition to its key and value. */
const ITEM_OVERHEAD_BYTES = 6
const CHILD_REF_BYTES = 64

export const MAX_MAP_KEY_BYTES = 1024
/** No real map reaches 64^8 leaves; a deeper tree is damaged. */
const MAX_LEVEL = 8
/**
 * No map of a drive has more items in a node: the least row, of a repeated block, costs 39 bytes, and a child 70. So a
 * writer makes at most 6,715 rows and 3,741 children. Each item takes some hundred bytes when decoded.
 */
const MOST_ROWS = 16 * KIB
const MOST_CHILDREN = 8 * KIB
const VERSION = 1

export interface MapLeaf {
  readonly level: 0
  readonly items: readonly (readonly [key: Uint8Array, value: Uint8Array])[]
}

export interface MapChild {
  readonly firstKey: Uint8Array
  readonly ref: TreeRef
}

export interface MapInterior {
  readonly level: number
  readonly children: readonly MapChild[]
}

/** Encodes one node at a time: add items, ask whether it must end, take it. */
export class MapNodeWriter {
  readonly #items = new CborWriter()
  readonly #node = new CborWriter()
  #count = 0
  #size = 0
  firstKey: Uint8Array | undefined

  constructor(private readonly level: number) {}

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** False when this item must start the next node. */
  fits(key: Uint8Array, payloadBytes: number): boolean {
    return this.#count === 0 || this.#size + cost(key, payloadBytes) <= MOST_NODE_BYTES
  }

  /** @returns true when the node ends after this item */
  addEntry(key: Uint8Array, value: Uint8Array): boolean {
    this.#items.bytes(key).bytes(value)
    return this.#added(key, value.length)
  }

  addChild(child: MapChild): boolean {
    this.#items.bytes(child.firstKey).bytes(child.ref.digest).bytes(child.ref.key)
    return this.#added(child.firstKey, CHILD_REF_BYTES)
  }

  take(): Uint8Array {
    const perItem = this.level === 0 ? 2 : 3
    const plain = this.#node
      .array(3)
      .int(VERSION)
      .int(this.level)
      .array(this.#count * perItem)
      .raw(this.#items.take())
      .take()
    this.#count = 0
    this.#size = 0
    this.firstKey = undefined
    return plain
  }

  #added(key: Uint8Array, payloadBytes: number): boolean {
    const size = cost(key, payloadBytes)
    this.firstKey ??= key
    this.#count++
    this.#size += size
    if (this.#size < LEAST_NODE_BYTES) return false
    return hashOfKey(this.level, key) < (size / MEAN_EXTRA_BYTES) * 0x100000000
  }
}

/**
 * Decodes the bytes of `MapNodeWriter`; CORRUPT for anything else. A node with too many items is refused before they
 * are decoded. Values are views on `plain`.
 */
export function decodeMapNode(plain: Uint8Array): MapLeaf | MapInterior {
  const reader = new CborReader(plain)
  reader.tuple(3)
  reader.int(VERSION, VERSION)
  const level = reader.int(0, MAX_LEVEL)
  const node = level === 0 ? readLeaf(reader) : readInterior(reader, level)
  reader.end()
  return node
}

function readLeaf(reader: CborReader): MapLeaf {
  const count = itemCount(reader, 2, MOST_ROWS)
  const items: [Uint8Array, Uint8Array][] = []
  for (let i = 0; i < count; i++) {
    const key = reader.bytes(0, MAX_MAP_KEY_BYTES)
    requireAscending(items.at(-1)?.[0], key)
    items.push([key, reader.view(0, NODE_CAPACITY)])
  }
  return { level: 0, items }
}

function readInterior(reader: CborReader, level: number): MapInterior {
  const count = itemCount(reader, 3, MOST_CHILDREN)
  if (count === 0) throw corrupt('a map node has no children')
  const children: MapChild[] = []
  for (let i = 0; i < count; i++) {
    const firstKey = reader.bytes(0, MAX_MAP_KEY_BYTES)
    requireAscending(children.at(-1)?.firstKey, firstKey)
    const digest: Digest = reader.bytes(32)
    const key: SecretKey = reader.bytes(32)
    children.push({ firstKey, ref: { digest, key } })
  }
  return { level, children }
}

function itemCount(reader: CborReader, perItem: number, most: number): number {
  const count = reader.array(most * perItem) / perItem
  if (!Number.isInteger(count)) throw corrupt('a map node has half an item')
  return count
}

export function requireAscending(before: Uint8Array | undefined, key: Uint8Array): void {
  if (before !== undefined && Buffer.compare(before, key) >= 0) throw corrupt('map keys are out of order')
}

function cost(key: Uint8Array, payloadBytes: number): number {
  return key.length + payloadBytes + ITEM_OVERHEAD_BYTES
}

/** FNV-1a over the level and the key, then murmur3's finaliser so that all bits depend on all bytes. */
function hashOfKey(level: number, key: Uint8Array): number {
  let hash = Math.imul(0x811c9dc5 ^ level, 0x01000193)
  for (const byte of key) hash = Math.imul(hash ^ byte, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
