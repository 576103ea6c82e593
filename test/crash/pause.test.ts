import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { seededRandom, sleep, systemClock } from '../../src/base/index.js'
import { testWhere } from '../support/available.js'
import { projectRoot } from '../support/sources.js'
import { program, programAside, temporaryFolder, testDrive, type TestDrive } from '../support/drive.js'

/** 200 in the bench. */
const ROUNDS = Number(process.env['DAGDRIVE_PAUSE_ROUNDS'] ?? 20)
const LIVING = join(projectRoot, 'fixtures/programs/living.py')
const DIFFERENTIAL = join(projectRoot, 'fixtures/programs/differential.py')
/** Asked for by the environment only: one run of ten still finds a difference. */
const WORK_SECONDS = Number(process.env['DAGDRIVE_PAUSE_SECONDS'] ?? 0)
const KINDS = ['append', 'read', 'list', 'git', 'sqlite', 'unlinked'] as const
const test = testWhere('fuse')

interface Outcome {
  readonly kind: string
  readonly operations: number
  readonly errors: readonly string[]
  readonly longestMs: number
}

test(`S-050 programs go on through ${ROUNDS} kills of the daemon and see only pauses`, async (t: ExecutionContext) => {
  t.timeout(30 * 60_000)
  const seed = Number(process.env['DAGDRIVE_SEED'] ?? systemClock.nowMs() % 1_000_000_007)
  t.log(`seed ${seed}`)
  const chance = seededRandom(seed)
  const folder = temporaryFolder(t, 'pause')
  const drive = testDrive(t, { holder: true })
  await drive.up(['--node', `file://${join(folder, 'node')}`, '--phrase-out', join(folder, 'phrase')])
  prepare(drive.mountpoint)

  const stop = join(folder, 'stop')
  const running = KINDS.map((kind) =>
    start(kind, kind === 'git' ? join(drive.mountpoint, 'git') : drive.mountpoint, stop),
  )
  for (let round = 0; round < ROUNDS; round++) {
    await sleep(600 + chance.next(900))
    drive.killDaemon()
    t.true(await untilTakenOver(drive, round + 1), `round ${round}: nobody took over\n${drive.log()}`)
  }
  await sleep(2000)
  writeFileSync(stop, '')
  const outcomes = await Promise.all(running)
  if (outcomes.some(({ errors }) => errors.length > 0)) t.log(drive.log())
  for (const { kind, operations, errors, longestMs } of outcomes) {
    t.log(`${kind}: ${operations} operations, longest pause ${longestMs} ms`)
    t.deepEqual(errors, [], `${kind}, seed ${seed}`)
    t.true(operations > 1, `${kind} got work done`)
  }
  t.true([0, 3].includes((await drive.run(['unmount', '--now'])).code))
  t.is(drive.holderPid(), undefined)
})

const testOfWork = WORK_SECONDS > 0 ? test : (): void => undefined

testOfWork(
  'S-050 random work equals a plain directory, through kills while it works and without any sync',
  async (t: ExecutionContext) => {
    t.timeout(10 * 60_000)
    const seed = Number(process.env['DAGDRIVE_SEED'] ?? systemClock.nowMs() % 1_000_000_007)
    t.log(`seed ${seed}`)
    const chance = seededRandom(seed)
    const plain = temporaryFolder(t, 'plain')
    const drive = testDrive(t, { holder: true })
    await drive.up()
    const work = programAside('python3', [DIFFERENTIAL, drive.mountpoint, plain, String(seed), String(WORK_SECONDS)])
    let isOver = false
    void work.finally(() => (isOver = true)).catch(() => undefined) // told below
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

function prepare(mountpoint: string): void {
  const script = `cd "$0" && mkdir many git && head -c 33554432 /dev/urandom > large &&
    python3 -c "for i in range(10000): open('many/name%05d' % i, 'w').close()" &&
    git -C git init -q && git -C git config user.email a@example.org && git -C git config user.name A`
  program('sh', ['-c', script, mountpoint])
}

function start(kind: string, directory: string, stop: string): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn('python3', [LIVING, kind, directory, stop], { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (piece: string) => (output += piece))
    child.on('error', reject).on('close', (code) => {
      if (code === 0) resolve(JSON.parse(output) as Outcome)
      else reject(new Error(`${kind} ended with ${code}`))
    })
  })
}

/** How often a daemon of this drive has taken the mount over. */
function takenOver(drive: TestDrive): number {
  return readFileSync(join(drive.home, 'daemon.log'), 'utf8').split('the mount goes on').length - 1
}

async function untilTakenOver(drive: TestDrive, times: number): Promise<boolean> {
  for (let i = 0; i < 600; i++) {
    if (takenOver(drive) >= times) return true
    await sleep(50)
  }
  return false
}
