/**
 * Yields the differences between two sorted maps in key order. A node that both maps share is never fetched, so only
 * the nodes on the paths to a difference are read. Memory holds one node per level of each map.
 */
import type { FetchBlock, TreeRef } from '../contract.js'
import { requireAscending, type MapInterior, type MapLeaf } from './map-node.js'
import { checkedChild, isMapLeaf, loadMapNode, type ReadOptions } from './map-read.js'

/**
 * A key whose value differs. A value is `undefined` in the map that lacks the key. Values are views on a node's
 * plaintext.
 */
export interface MapDifference {
  readonly key: Uint8Array
  readonly before: Uint8Array | undefined
  readonly after: Uint8Array | undefined
}

/** @param before undefined: an empty map */
export async function* diffMaps(
  before: TreeRef | undefined,
  after: TreeRef | undefined,
  fetch: FetchBlock,
  options: Pick<ReadOptions, 'signal'> = {},
): AsyncGenerator<MapDifference, void, undefined> {
  if (before !== undefined && after !== undefined && isSame(before, after)) return
  const left = await Cursor.open(before, fetch, options.signal)
  const right = await Cursor.open(after, fetch, options.signal)
  for (let [a, b] = [left.next, right.next]; a !== undefined || b !== undefined; [a, b] = [left.next, right.next]) {
    const order = a === undefined ? 1 : b === undefined ? -1 : Buffer.compare(a.key, b.key)
    if (order === 0 && a!.ref !== undefined && b!.ref !== undefined) {
      if (isSame(a!.ref, b!.ref)) {
        left.skip()
        right.skip()
      } else {
        // Descends to the same level on both sides, to find shared nodes.
        if (a!.level >= b!.level) await left.enter()
        if (b!.level >= a!.level) await right.enter()
      }
    } else if (order <= 0 && a!.ref !== undefined) await left.enter()
    else if (order >= 0 && b!.ref !== undefined) await right.enter()
    else {
      if (order <= 0) left.skip()
      if (order >= 0) right.skip()
      if (order < 0) yield { key: a!.key, before: a!.value, after: undefined }
      else if (order > 0) yield { key: b!.key, before: undefined, after: b!.value }
      else if (Buffer.compare(a!.value!, b!.value!) !== 0) yield { key: a!.key, before: a!.value, after: b!.value }
    }
  }
}

function isSame(a: TreeRef, b: TreeRef): boolean {
  return Buffer.compare(a.digest, b.digest) === 0
}

/** An entry, or a child that the cursor has not entered yet. */
interface Next {
  /** The first key below a child. */
  readonly key: Uint8Array
  /** Of a child; 0 for an entry. */
  readonly level: number
  readonly ref?: TreeRef
  readonly value?: Uint8Array
}

interface Step {
  readonly node: MapLeaf | MapInterior
  at: number
}

/** A cursor that moves through a map from the first key to the last. */
class Cursor {
  readonly #path: Step[] = []
  /** The last key of the leaf that was entered last. */
  #last: Uint8Array | undefined

  private constructor(
    private readonly fetch: FetchBlock,
    private readonly signal: AbortSignal | undefined,
  ) {}

  static async open(ref: TreeRef | undefined, fetch: FetchBlock, signal: AbortSignal | undefined): Promise<Cursor> {
    const cursor = new Cursor(fetch, signal)
    if (ref !== undefined) cursor.#path.push({ node: (await loadMapNode(ref, fetch, signal)).node, at: 0 })
    return cursor
  }

  /** Undefined at the end. */
  get next(): Next | undefined {
    for (let step = this.#path.at(-1); step !== undefined; step = this.#path.at(-1)) {
      const { node, at } = step
      if (isMapLeaf(node)) {
        const item = node.items[at]
        if (item !== undefined) return { key: item[0], level: 0, value: item[1] }
      } else {
        const child = node.children[at]
        if (child !== undefined) return { key: child.firstKey, level: node.level, ref: child.ref }
      }
      this.#path.pop()
    }
    return undefined
  }

  skip(): void {
    this.#path.at(-1)!.at++
  }

  /** Moves to the first entry or child below the current child. */
  async enter(): Promise<void> {
    const step = this.#path.at(-1)!
    const parent = step.node as MapInterior
    const child = parent.children[step.at++]!
    const { node } = await loadMapNode(child.ref, this.fetch, this.signal)
    this.#path.push({ node: checkedChild(parent, child, node), at: 0 })
    if (!isMapLeaf(node)) return
    requireAscending(this.#last, child.firstKey)
    this.#last = node.items.at(-1)?.[0]
  }
}
