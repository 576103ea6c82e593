import { systemClock } from '../../src/base/index.js'
import { testWhere } from '../support/available.js'
import { lose, openPlace } from './cut-off.js'
import { cutPoints } from './cut-points.js'

const test = testWhere('fuse', 'go')
/** `all`, all of one kind, or the number of seeded points; see test/README.md. */
const POINTS = process.env['DAGDRIVE_CUT_POINTS'] ?? '20'

test(`S-030 R-74 a device lost after any node call, ${POINTS} points: the phrase opens everything published`, async (t) => {
  t.timeout(3 * 60 * 60_000)
  const seed = Number(process.env['DAGDRIVE_SEED'] ?? systemClock.nowMs() % 1_000_000_007)
  t.log(`seed ${seed}`)
  const [here, there] = [await openPlace(), await openPlace()]
  t.teardown(() => Promise.all([here.close(), there.close()]))
  const done: Record<string, number> = {}
  for (const [round, { kind, at }] of cutPoints(POINTS, seed).entries()) {
    const { problem, isCut } = await lose(kind, at, round + 1, here, there)
    if (isCut) done[kind] = (done[kind] ?? 0) + 1
    t.is(problem, undefined, `${kind}, lost after call ${at}, seed ${seed}`)
    if (problem !== undefined) return
  }
  t.log(done)
  t.true(Object.keys(done).length > 0)
})
