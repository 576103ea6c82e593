import { openSync, readFileSync, closeSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { seededRandom, sleep, systemClock } from '../../src/base/index.js'
import { testWhere } from '../support/available.js'
import { projectRoot } from '../support/sources.js'
import { temporaryFolder, testDrive, type TestDrive } from '../support/drive.js'
import { Manifest } from './manifest.js'

/** A share of the 200 that are run by hand. */
const ROUNDS = Number(process.env['DAGDRIVE_CRASH_ROUNDS'] ?? 25)
const WRITER = join(projectRoot, 'fixtures/programs/durable_writer.py')
const test = testWhere('fuse')

test(`S-002 R-74 kill -9 of daemon and holder at ${ROUNDS} random moments loses nothing that fsync acknowledged`, async (t: ExecutionContext) => {
  const seed = Number(process.env['DAGDRIVE_SEED'] ?? systemClock.nowMs() % 1_000_000_007)
  t.log(`seed ${seed}`)
  t.timeout(25 * 60_000)
  const chance = seededRandom(seed)
  const folder = temporaryFolder(t, 'crash')
  const node = `file://${join(folder, 'node')}`
  const phrase = join(folder, 'phrase')
  const drive = testDrive(t, { environment: { DAGDRIVE_DEBOUNCE_MS: '300' } })
  await drive.up(['--node', node, '--phrase-out', phrase])

  const manifest = new Manifest()
  let version = 1
  let stagedAtKill = 0
  for (let round = 0; round < ROUNDS; round++) {
    const log = join(folder, `log-${round}`)
    const output = openSync(log, 'w')
    const writer = spawn('python3', [WRITER, drive.mountpoint, String(seed + round), String(version)], {
      stdio: ['ignore', output, 'ignore'],
    })
    const ended = new Promise((resolve) => writer.on('close', resolve))
    await sleep(150 + chance.next(1500))
    stagedAtKill += await stagedFiles(drive)
    drive.killAll()
    await Promise.race([ended, sleep(5_000)])
    writer.kill('SIGKILL')
    closeSync(output)
    manifest.add(readFileSync(log, 'latin1'))
    version += 100_000
    await drive.mount()
    const problems = manifest.problems(drive.mountpoint)
    t.deepEqual(problems, [], `round ${round}, seed ${seed}`)
    if (problems.length > 0) return
    manifest.settle(drive.mountpoint)
  }
  t.log(`${manifest.acknowledged} operations acknowledged, ${stagedAtKill} files staged at the kills`)
  t.true(manifest.acknowledged > ROUNDS, 'the writer made progress')
  t.true(stagedAtKill > 0, 'the test is void if nothing was staged at any kill')

  await drive.must(['sync'], 300_000)
  await drive.unmount([], 300_000)
  const second = testDrive(t)
  await second.up(['--node', node, '--phrase-file', phrase])
  t.deepEqual(manifest.problems(second.mountpoint), [], 'the second device converges')
  await second.unmount()
})

async function stagedFiles(drive: TestDrive): Promise<number> {
  const status = await drive.json<{ levels: { staged: { files: number } } }>(['status'])
  return status.levels.staged.files
}
