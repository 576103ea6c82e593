/** Selects the points at which a device is lost: a share of them for the tests, all or a slice for the bench. */
import { seededRandom } from '../../src/base/index.js'
import { KINDS, type Kind } from './cut-off.js'

/** The device is lost after this call of this kind of work, counted from 1. */
export interface CutPoint {
  readonly kind: Kind
  readonly at: number
}

/** Number of calls of each kind, as counted, with some margin. Points after the last call cut nothing. */
const CALLS: Readonly<Record<Kind, number>> = {
  publish: 22,
  'publish by a second device': 30,
  'node set': 100,
  'fast-forward': 22,
}

/**
 * @param which `all`; `FROM-TO`, indexes in the list of all points, from 0, inclusive; a kind, for all of its points;
 * or a number of points of every kind in turn, chosen by the seed
 * @throws Error for anything else
 */
export function cutPoints(which: string, seed: number): CutPoint[] {
  const all = KINDS.flatMap((kind) => Array.from({ length: CALLS[kind] }, (_, at) => ({ kind, at: at + 1 })))
  if (which === 'all') return all
  const slice = /^(\d+)-(\d+)$/.exec(which)
  if (slice !== null) return all.slice(Number(slice[1]), Number(slice[2]) + 1)
  if (KINDS.includes(which as Kind)) return all.filter(({ kind }) => kind === which)
  if (!/^\d+$/.test(which)) throw new Error(`no cut points: ${which}`)
  const chance = seededRandom(seed)
  return Array.from({ length: Number(which) }, (_, i) => {
    const of = all.filter(({ kind }) => kind === KINDS[i % KINDS.length])
    return of[chance.next(of.length)]!
  })
}
