import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { isDriveError, MIB, seededRandom, silentLog, sleep, systemClock, systemRandom } from '../../src/base/index.js'
import { openNode, type IpfsNode } from '../../src/node/index.js'
import { startKubo } from '../kubo/daemon.js'
import { testWhere } from '../support/available.js'
import { programAside, temporaryFolder, testDrive, type TestDrive } from '../support/drive.js'
import { projectRoot } from '../support/sources.js'

/** Approximate duration of all rounds on an idle machine. */
const SECONDS = Number(process.env['DAGDRIVE_DIFFERENTIAL_SECONDS'] ?? 26)
const SECONDS_A_ROUND = 4
const PROGRAM = join(projectRoot, 'fixtures/programs/differential.py')

testWhere('fuse')(
  'S-003 R-01 R-74 random work through uploads, evictions, garbage collections, kills and new devices equals a plain directory',
  async (t: ExecutionContext) => {
    const node = `file://${join(temporaryFolder(t, 'differential-node'), 'node')}`
    await differential(t, node, SECONDS)
  },
)

testWhere('fuse', 'go')('S-003 R-21 the same through a real Kubo', async (t: ExecutionContext) => {
  t.timeout(15 * 60_000)
  const kubo = await startKubo({ version: '0.43' })
  t.teardown(() => kubo.stop())
  await differential(t, kubo.url, SECONDS / 2)
})

testWhere('fuse')(
  'S-013 R-30 R-74 random work on three devices in turn, through kills and garbage collections, equals a plain directory',
  async (t: ExecutionContext) => {
    const seed = startOf(t, SECONDS)
    const chance = seededRandom(seed)
    const folder = temporaryFolder(t, 'turns')
    const node = `file://${join(folder, 'node')}`
    const plain = join(folder, 'plain')
    mkdirSync(plain)
    const phrase = join(folder, 'phrase')
    const devices: TestDrive[] = []
    for (const source of ['--phrase-out', '--phrase-file', '--phrase-file']) {
      const drive = testDrive(t, { environment: { DAGDRIVE_DEBOUNCE_MS: '200' } })
      await drive.up(['--node', node, source, phrase])
      await drive.unmount([], 120_000)
      shrinkCache(drive)
      devices.push(drive)
    }
    const rounds = Math.max(3, Math.round(SECONDS / SECONDS_A_ROUND))
    // Each device must have been used once before intermediate versions are collected.
    for (let round = 0; round < rounds; round++) {
      const drive = devices[round < 3 ? round : chance.next(3)]!
      await drive.mount()
      await compare(drive, plain)
      await work(drive, plain, seed + round, chance.next(3) > 0)
      if (chance.next(2) === 0) {
        drive.killAll()
        await drive.mount()
        await compare(drive, plain)
      }
      await drive.unmount([], 300_000)
      if (round >= 2) await collectGarbage(t, node)
    }
    t.pass()
  },
)

function startOf(t: ExecutionContext, seconds: number): number {
  const seed = Number(process.env['DAGDRIVE_SEED'] ?? systemClock.nowMs() % 1_000_000_007)
  t.log(`seed ${seed}`)
  t.timeout((seconds * 10 + 300) * 1000)
  return seed
}

async function differential(t: ExecutionContext, node: string, seconds: number): Promise<void> {
  const seed = startOf(t, seconds)
  const chance = seededRandom(seed)
  const folder = temporaryFolder(t, 'differential')
  const plain = join(folder, 'plain')
  mkdirSync(plain)
  const phrase = join(folder, 'phrase')
  const open = async (source: readonly string[]): Promise<TestDrive> => {
    const drive = testDrive(t, { environment: { DAGDRIVE_DEBOUNCE_MS: '200' } })
    await drive.up(['--node', node, ...source])
    await drive.unmount([], 120_000)
    shrinkCache(drive)
    await drive.mount()
    return drive
  }
  let drive = await open(['--phrase-out', phrase])
  const rounds = Math.max(2, Math.round(seconds / (2 * SECONDS_A_ROUND)))
  for (let round = 0; round < rounds; round++) {
    await work(drive, plain, seed + round, chance.next(3) > 0)
    if (chance.next(2) === 0) drive.killAll()
    else await drive.unmount([], 300_000)
    // Including garbage of an interrupted upload.
    await collectGarbage(t, node)
    await drive.mount()
    await compare(drive, plain)
    await drive.must(['sync'], 300_000)
    if (round % 2 === 0) continue
    await drive.unmount([], 300_000)
    drive.destroy()
    await collectGarbage(t, node)
    drive = await open(['--phrase-file', phrase])
    // Work may also start on a device that has loaded almost nothing.
    if (chance.next(2) === 0 || round + 1 === rounds) await compare(drive, plain)
  }
  await drive.unmount([], 300_000)
  t.pass()
}

/**
 * Collects everything that no pin references. No daemon of the drive may run: an embedded store has one user at a time.
 */
async function collectGarbage(t: ExecutionContext, address: string): Promise<void> {
  const node = await openFree(address, temporaryFolder(t, 'collector'))
  try {
    const { removedBlocks } = await node.collectGarbage()
    t.log(`${removedBlocks} blocks of garbage`)
  } finally {
    await node.close()
  }
}

/** The locks of a killed daemon are released when its last thread has ended, possibly after its process looks dead. */
async function openFree(address: string, dataDirectory: string): Promise<IpfsNode> {
  for (let tries = 0; ; tries++) {
    try {
      return await openNode(address, { dataDirectory, clock: systemClock, log: silentLog, random: systemRandom })
    } catch (error) {
      if (!isDriveError(error, 'LOCKED') || tries === 100) throw error
      await sleep(100)
    }
  }
}

/** Small enough that blocks are evicted continuously. */
function shrinkCache(drive: TestDrive): void {
  const path = join(drive.home, 'config.json')
  const config = JSON.parse(readFileSync(path, 'utf8')) as object
  writeFileSync(path, JSON.stringify({ ...config, cacheBytes: 2 * MIB }), { mode: 0o600 })
}

async function work(drive: TestDrive, plain: string, seed: number, isSyncing: boolean): Promise<void> {
  let isOver = false
  const working = programAside('python3', [PROGRAM, drive.mountpoint, plain, String(seed), String(SECONDS_A_ROUND)])
    .catch((error: unknown) => {
      throw new Error(said(error, drive), { cause: error })
    })
    .finally(() => (isOver = true))
  const syncing = async (): Promise<void> => {
    while (isSyncing && !isOver) {
      await sleep(300)
      await drive.must(['sync'], 300_000)
    }
  }
  await Promise.all([working, syncing()])
}

async function compare(drive: TestDrive, plain: string): Promise<void> {
  await programAside('python3', [PROGRAM, drive.mountpoint, plain, '0', '0']).catch((error: unknown) => {
    throw new Error(said(error, drive), { cause: error })
  })
}

function said(error: unknown, drive: TestDrive): string {
  return `${String(error)}\n${drive.log()}`
}
