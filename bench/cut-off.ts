/**
 * Loses a device permanently after each single call to a real Kubo, while it publishes, moves to another node or takes
 * a version over. Then garbage is collected, and the recovery phrase opens the drive on another device: everything
 * published must be there. A point takes 15 to 30 s.
 *   npm run bench -- cut-off [--points all|FROM-TO|KIND|COUNT] [--seed N]
 * Appends one row to bench/history.txt. The exit status is 1 if anything was lost.
 */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../src/base/index.js'
import { lose, openPlace, type Place } from '../test/crash/cut-off.js'
import { cutPoints } from '../test/crash/cut-points.js'
import { projectRoot } from '../test/support/sources.js'
import { machine, stamp } from './measure.js'

const { values } = parseArgs({
  options: { points: { type: 'string', default: 'all' }, seed: { type: 'string' } },
})
const seed = Number(values.seed ?? systemClock.nowMs() % 1_000_000_007)

const places: Place[] = []
try {
  for (let i = 0; i < 2; i++) places.push(await openPlace())
  await run(places[0]!, places[1]!)
} finally {
  for (const place of places) await place.close()
}

async function run(here: Place, there: Place): Promise<void> {
  const points = cutPoints(values.points, seed)
  let [cut, failures] = [0, 0]
  for (const [i, { kind, at }] of points.entries()) {
    const { problem, isCut } = await lose(kind, at, i + 1, here, there).catch((error: unknown) => ({
      problem: error instanceof Error ? error.message : 'no error',
      isCut: false,
    }))
    if (isCut) cut++
    if (problem !== undefined) failures++
    say(
      `${i + 1} of ${points.length}  ${kind}, lost after call ${at}${isCut ? '' : ': no such call'}  ${problem ?? 'all there'}`,
    )
  }
  const row = `cut-off  ${stamp()}  ${machine()}  points ${values.points}  lost devices ${cut}  failures ${failures}`
  say(row)
  appendFileSync(join(projectRoot, 'bench/history.txt'), `${row}\n`)
  process.exitCode = failures === 0 && cut > 0 ? 0 : 1
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
