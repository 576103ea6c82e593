/**
 * Directories that are in both versions at different places: they are compared with each other, so that moving one
 * costs nothing for what lies in it. As many as memory is given for; those beyond are walked through on both sides.
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
  /** Those that may become one of a pair. */
  readonly #single = { before: new Map<string, PlacedEntry>(), after: new Map<string, PlacedEntry>() }
  /** Entries `find` saw on one side only that are in no pair. */
  readonly #alone = { before: 0, after: 0 }

  /** @param most directories kept in memory, of each kind */
  constructor(
    root: DirectoryPair,
    private readonly reader: VersionReader,
    private readonly most: number,
  ) {
    this.#pairs = [root]
  }

  /**
   * Walks through all pairs and finds more of them: each name that is the same file on both sides, and each pair that
   * is new.
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

  /** After `find`: all there is on one side only, and below it, but for the pairs. May be asked again. */
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

  /** The pair that `found` completes, noted; else it is kept for what may come. */
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
