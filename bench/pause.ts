/**
 * Kills the daemon while programs run: an appender, a reader, a lister, git, SQLite and one with an unlinked file.
 * Prints each program's operations and errors, and its longest pause.
 *   node dist/bench/pause.js [--rounds 200] [--seed N] [--record]
 * Fails if a program saw an error.
 */
import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../src/base/index.js'
import { killUnderPrograms } from '../test/crash/kill-under-programs.js'
import { TestDrive } from '../test/support/drive.js'
import { projectRoot } from '../test/support/sources.js'
import { machine } from './measure.js'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(systemClock.nowMs() % 1_000_000_007) },
    record: { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds)
const folder = mkdtempSync(join(tmpdir(), 'dagdrive-pause-'))
const drive = new TestDrive()
try {
  await drive.up(['--node', `file://${join(folder, 'node')}`, '--phrase-out', join(folder, 'phrase')])
  const done = await killUnderPrograms(drive, { folder, rounds, seed: Number(values.seed) })
  for (const { kind, operations, errors, longestMs } of done.programs)
    process.stdout.write(`${kind}: ${operations} operations, longest pause ${longestMs} ms ${errors.join('; ')}\n`)
  const failed = done.programs.flatMap(({ errors }) => errors).length
  const longest = Math.max(...done.programs.map(({ longestMs }) => longestMs))
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: projectRoot, encoding: 'utf8' }).trim()
  const date = new Date(systemClock.nowMs()).toISOString().slice(0, 10)
  const figures = `kills ${done.kills}  errors ${failed}  longestMs ${longest}  seed ${values.seed}`
  const row = `pause  ${commit} ${date}  ${machine()}  ${figures}`
  process.stdout.write(`${row}\n`)
  if (values.record) appendFileSync(join(projectRoot, 'bench/history.txt'), `${row}\n`)
  if (failed > 0 || done.kills < rounds) process.exitCode = 1
} finally {
  await drive.run(['unmount', '--now'])
  drive.destroy()
  rmSync(folder, { recursive: true, force: true })
}
