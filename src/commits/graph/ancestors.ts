/**
 * Chooses the parents of a commit: the previous version and some of its ancestors. With these, descent from any
 * ancestor is proved in few steps, and descent from another device's last version in one.
 */
import { equalBytes, type Digest } from '../../base/index.js'
import type { Version } from './version.js'

/**
 * The heights of the parents of a commit at this height, descending: the height before it, and the last multiple of
 * each power of two.
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
 * @param head the version that the next one is built on
 * @param bases merge bases: versions at which one device fast-forwarded to another; each is `head` or an ancestor of it
 */
export function parentsAfter(head: Version, bases: readonly Digest[]): Digest[] {
  const { height, parents } = head.commit
  const known = new Map(parentHeights(height).map((at, i) => [at, parents[i]]))
  known.set(height, head.root)
  const wanted = parentHeights(height + 1)
  const named = wanted.map((at) => known.get(at))
  // The first commits of an old drive have only one parent. The list ends at the first gap, because later positions
  // would not match their heights.
  const gap = named.indexOf(undefined)
  if (gap !== -1) return named.slice(0, gap) as Digest[]
  const all = named as Digest[]
  for (const base of bases.slice(0, MOST_BASES)) if (!all.some((one) => equalBytes(one, base))) all.push(base)
  return all
}

/**
 * The merge bases after a fast-forward: the version itself, then the merge bases among its parents, then those known on
 * this machine.
 */
export function basesAfter({ root, commit }: Version, known: readonly Digest[]): Digest[] {
  const bases: Digest[] = []
  for (const base of [root, ...commit.parents.slice(parentHeights(commit.height).length), ...known]) {
    if (!bases.some((one) => equalBytes(one, base))) bases.push(base)
  }
  return bases.slice(0, MOST_BASES)
}

/** A commit has room for 256 parents, some 50 of them by height. */
const MOST_BASES = 64
