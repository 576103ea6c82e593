/**
 * Pairs directories that are in both versions at different places. A pair is compared directly, so moving a directory
 * does not cost a walk through its content. The number of pairs is limited; further directories are walked on both
 * sides.
 */
import { hex } from '../../base/index.js'
import { isDirectory } from '../../model/index.js'
import type { PlacedEntry } from './version-change.js'
import { walkDifference, type Difference, type VersionReader } from './walk-difference.js'

/** The same directory before and after. */
export interface DirectoryPair {
  readonly before: PlacedEntry
  readonly after: PlacedEntry
}

export class DirectoryPairs {
  readonly #pairs: DirectoryPair[]
  readonly #ids = new Set<string>()
  /** Directories that may become part of a pair. */
  readonly #single = { before: new Map<string, PlacedEntry>(), after: new Map<string, PlacedEntry>() }
  /** The number of entries that `find` saw on only one side and that are in no pair. */
  readonly #alone = { before: 0, after: 0 }

  /** @param most limit for the directories kept in memory, for each kind */
  constructor(
    root: DirectoryPair,
    private readonly reader: VersionReader,
    private readonly most: number,
  ) {
    this.#pairs = [root]
  }

  /**
   * Walks all pairs and finds further pairs. Yields each name that is the same file on both sides, and each new pair.
   */
  async *find(): AsyncGenerator<Required<Difference>, void, undefined> {
    for (const { before, after } of this.#pairs) {
      for await (const found of walkDifference(before, after, this.reader)) {
        const pair = isOnBoth(found) ? found : this.#pairOf(found)
        if (pair !== undefined) yield pair
      }
    }
    this.#single.before.clear()
    this.#single.after.clear()
  }

  /** After `find`: all entries on only one side and everything below them, except the pairs. May be called again. */
  async *only(side: 'before' | 'after'): AsyncGenerator<PlacedEntry, void, undefined> {
    if (this.#alone[side] === 0) return
    for (const { before, after } of this.#pairs) {
      for await (const found of walkDifference(before, after, this.reader)) {
        if (!isOnBoth(found) && found[side] !== undefined) yield* this.#withBelow(found[side], side)
      }
    }
  }

  async *#withBelow(place: PlacedEntry, side: 'before' | 'after'): AsyncGenerator<PlacedEntry, void, undefined> {
    if (this.#ids.has(hex(place.entry.fileId))) return
    yield place
    if (!isDirectory(place.entry)) return
    const [before, after] = side === 'before' ? [place, undefined] : [undefined, place]
    for await (const found of walkDifference(before, after, this.reader)) yield* this.#withBelow(found[side]!, side)
  }

  /** Records and returns the pair that `found` completes. Otherwise keeps `found` until its counterpart is found. */
  #pairOf(found: Difference): DirectoryPair | undefined {
    const place = found.before ?? found.after!
    const side = found.before === undefined ? 'after' : 'before'
    const otherSide = side === 'after' ? 'before' : 'after'
    this.#alone[side]++
    if (!isDirectory(place.entry) || this.#pairs.length >= this.most) return undefined
    const id = hex(place.entry.fileId)
    const other = this.#single[otherSide].get(id)
    if (other === undefined) {
      if (this.#single[side].size < this.most) this.#single[side].set(id, place)
      return undefined
    }
    this.#single[otherSide].delete(id)
    this.#alone[side]--
    this.#alone[otherSide]--
    const pair = side === 'after' ? { before: other, after: place } : { before: place, after: other }
    this.#pairs.push(pair)
    this.#ids.add(id)
    return pair
  }
}

function isOnBoth(found: Difference): found is Required<Difference> {
  return found.before !== undefined && found.after !== undefined
}
