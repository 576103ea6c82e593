/**
 * The parents a commit names: the version it was made from, and some that one descends from, chosen so that descent
 * from any version is shown in few steps, and from the versions other devices left off at in none.
 */
import { equalBytes, type Digest } from '../../base/index.js'
import type { Version } from './version.js'

/**
 * Heights of the versions a commit of this height names, falling: the one before it, and for each power of two the last
 * multiple.
 */
export function parentHeights(height: number): number[] {
  const heights: number[] = []
  for (let step = 1; step < height; step *= 2) {
    const at = Math.floor((height - 1) / step) * step
    if (at !== heights.at(-1)) heights.push(at)
  }
  return heights
}

/**
 * @param head the version the next one is made from
 * @param bases versions at which one device took over from another, all of which `head` is or descends from
 */
export function parentsAfter(head: Version, bases: readonly Digest[]): Digest[] {
  const { height, parents } = head.commit
  const known = new Map(parentHeights(height).map((at, i) => [at, parents[i]]))
  known.set(height, head.root)
  const wanted = parentHeights(height + 1)
  const named = wanted.map((at) => known.get(at))
  // A drive whose first commits named one parent only: what is missing is left out, and places would not tell heights.
  const gap = named.indexOf(undefined)
  if (gap !== -1) return named.slice(0, gap) as Digest[]
  const all = named as Digest[]
  for (const base of bases.slice(0, MOST_BASES)) if (!all.some((one) => equalBytes(one, base))) all.push(base)
  return all
}

/** Of a version that was taken over: itself, and those it names for that reason, before those known here. */
export function basesAfter({ root, commit }: Version, known: readonly Digest[]): Digest[] {
  const bases: Digest[] = []
  for (const base of [root, ...commit.parents.slice(parentHeights(commit.height).length), ...known]) {
    if (!bases.some((one) => equalBytes(one, base))) bases.push(base)
  }
  return bases.slice(0, MOST_BASES)
}

/** A commit has room for 256 parents, some 50 of them by height. */
const MOST_BASES = 64
