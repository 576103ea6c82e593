import type { ExecutionContext } from 'ava'
import { seededRandom, systemClock } from '../../src/base/index.js'
import { startKubo } from '../kubo/daemon.js'
import { startFaultProxy } from '../kubo/fault-proxy.js'
import { testWhere } from '../support/available.js'
import { KINDS, lose, type Kind, type Place } from './cut-off.js'

const test = testWhere('fuse', 'go')
/** `all`, all of one kind, or how many seeded points; test/README.md. */
const POINTS = process.env['DAGDRIVE_CUT_POINTS'] ?? '20'
/** Calls of each kind, as counted; beyond the last one nothing is cut. */
const CALLS: Readonly<Record<Kind, number>> = {
  publish: 22,
  'publish by a second device': 30,
  'node set': 85,
  'fast-forward': 19,
}

test(`S-030 R-74 a device lost for good after a node call, ${POINTS} points: the phrase opens all that was published`, async (t) => {
  t.timeout(3 * 60 * 60_000)
  const seed = Number(process.env['DAGDRIVE_SEED'] ?? systemClock.nowMs() % 1_000_000_007)
  t.log(`seed ${seed}`)
  const [here, there] = [await openPlace(t), await openPlace(t)]
  const done: Record<string, number> = {}
  for (const [round, { kind, at }] of [...pointsOf(seed)].entries()) {
    const { problem, isCut } = await lose(kind, at, round + 1, here, there)
    if (isCut) done[kind] = (done[kind] ?? 0) + 1
    t.is(problem, undefined, `${kind}, lost after call ${at}, seed ${seed}`)
    if (problem !== undefined) return
  }
  t.log(done)
  t.true(Object.keys(done).length > 0)
})

interface CutPoint {
  readonly kind: Kind
  readonly at: number
}

function* pointsOf(seed: number): Generator<CutPoint> {
  const all = KINDS.flatMap((kind) => Array.from({ length: CALLS[kind] }, (_, at) => ({ kind, at: at + 1 })))
  if (POINTS === 'all') return yield* all
  if (KINDS.includes(POINTS as Kind)) return yield* all.filter(({ kind }) => kind === POINTS)
  const chance = seededRandom(seed)
  for (let i = 0; i < Number(POINTS); i++) {
    // Every kind in each run.
    const of = all.filter(({ kind }) => kind === KINDS[i % KINDS.length])
    yield of[chance.next(of.length)]!
  }
}

async function openPlace(t: ExecutionContext): Promise<Place> {
  const kubo = await startKubo({ version: '0.43' })
  t.teardown(() => kubo.stop())
  const proxy = await startFaultProxy(kubo.url)
  t.teardown(() => proxy.close())
  return { kubo, proxy }
}
