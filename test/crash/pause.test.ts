import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { seededRandom, sleep, systemClock } from '../../src/base/index.js'
import { testWhere } from '../support/available.js'
import { ordinaryUser, type OrdinaryUser } from '../support/ordinary-user.js'
import { projectRoot } from '../support/sources.js'
import { programAside, temporaryFolder, testDrive } from '../support/drive.js'
import { until } from '../support/until.js'
import { killUnderPrograms, untilTakenOver } from './kill-under-programs.js'

/** 200 in the bench. */
const ROUNDS = Number(process.env['DAGDRIVE_PAUSE_ROUNDS'] ?? 20)
const USER_ROUNDS = Math.ceil(ROUNDS / 2)
const DIFFERENTIAL = join(projectRoot, 'fixtures/programs/differential.py')
/** Random work runs only if this variable is set. */
const WORK_SECONDS = Number(process.env['DAGDRIVE_PAUSE_SECONDS'] ?? 0)
const test = testWhere('fuse')

test(`S-050 programs continue through ${ROUNDS} kills of the daemon and see only pauses`, async (t: ExecutionContext) => {
  await pauses(t, ROUNDS)
})

testWhere('fuse', 'root')(
  `S-050 R-04 the same for an ordinary user, who mounts through fusermount3, ${USER_ROUNDS} kills`,
  async (t: ExecutionContext) => {
    await pauses(t, USER_ROUNDS, await ordinaryUser(t))
  },
)

async function pauses(t: ExecutionContext, rounds: number, user?: OrdinaryUser): Promise<void> {
  t.timeout(30 * 60_000)
  const seed = seedOfRun(t)
  const folder = temporaryFolder(t, 'pause')
  if (user !== undefined) chmodSync(folder, 0o777)
  const drive = testDrive(t, { user })
  await drive.up(['--node', `file://${join(folder, 'node')}`, '--phrase-out', join(folder, 'phrase')])
  const { kills, programs } = await killUnderPrograms(drive, { folder, rounds, seed, prefix: user?.prefix }).catch(
    (error: unknown) => {
      throw new Error(`${String(error)}\n${drive.log(200)}`, { cause: error })
    },
  )
  if (programs.some(({ errors }) => errors.length > 0)) t.log(drive.log())
  for (const { kind, operations, errors, longestMs } of programs) {
    t.log(`${kind}: ${operations} operations, longest pause ${longestMs} ms`)
    t.deepEqual(errors, [], `${kind}, seed ${seed}`)
    t.true(operations > 1, `${kind} made progress`)
  }
  t.is(kills, rounds, drive.log())
  const { code, stderr } = await drive.run(['unmount', '--now'])
  t.true([0, 3].includes(code), `${code} ${stderr}`)
  t.true(await until(() => drive.holderPid() === undefined))
}

const testOfWork = WORK_SECONDS > 0 ? test : (): void => undefined

testOfWork(
  'S-050 random work through kills and without sync has the same result as on a plain directory',
  async (t: ExecutionContext) => {
    t.timeout(10 * 60_000)
    const seed = seedOfRun(t)
    const chance = seededRandom(seed)
    const plain = temporaryFolder(t, 'plain')
    const drive = testDrive(t)
    await drive.up()
    const work = programAside('python3', [DIFFERENTIAL, drive.mountpoint, plain, String(seed), String(WORK_SECONDS)])
    let isOver = false
    void work.finally(() => (isOver = true)).catch(() => undefined) // reported below
    let kills = 0
    while (!isOver) {
      await sleep(600 + chance.next(1500))
      if (isOver) break
      drive.killDaemon()
      t.true(await untilTakenOver(drive, ++kills), drive.log())
    }
    await work.catch((error: unknown) => t.fail(`seed ${seed}: ${String(error)}\n${drive.log()}`))
    t.log(`${kills} kills`)
    drive.killDaemon()
    await programAside('python3', [DIFFERENTIAL, drive.mountpoint, plain, '0', '0'])
    t.notRegex(readFileSync(join(drive.home, 'daemon.log'), 'utf8'), /could not be done again/)
    await drive.run(['unmount', '--now'])
  },
)

function seedOfRun(t: ExecutionContext): number {
  const seed = Number(process.env['DAGDRIVE_SEED'] ?? systemClock.nowMs() % 1_000_000_007)
  t.log(`seed ${seed}`)
  return seed
}
