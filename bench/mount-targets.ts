/** The drive and its peers, each mounted below its own folder on the same medium. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sleep } from '../src/base/index.js'
import { projectRoot } from '../test/support/sources.js'
import { driveCpuSeconds } from './drive-cpu.js'

export interface Target {
  readonly name: string
  /** The program it needs; undefined if none. */
  readonly program?: string | undefined
  /** Much slower than the others: one round, and tests that take over a minute count as failed. */
  readonly isSlow?: boolean
  /** Left out unless it is named. */
  readonly isExtra?: boolean
  /** Mounts below `folder`. Returns the directory to work in. */
  start(folder: string): Promise<string>
  stop(folder: string): Promise<void>
  /** CPU seconds of its processes so far; for drives. */
  readonly cpuSeconds?: (folder: string) => number
  /** Waits for background work of the target (an upload), so that it does not slow down the next test. */
  settle?(folder: string): void
}

const CLI = join(projectRoot, 'dist/src/cli/main.js')
/** A built checkout of an earlier version, used as the target `before`. */
const BEFORE = process.env['DAGDRIVE_BENCH_BEFORE']
let daemon: ChildProcess | undefined

export const TARGETS: readonly Target[] = [
  {
    name: 'plain',
    start: async (folder) => made(folder, 'plain'),
    stop: async () => {},
  },
  {
    name: 'bindfs',
    program: 'bindfs',
    start: async (folder) => {
      execFileSync('bindfs', [made(folder, 'below'), made(folder, 'above')], { stdio: 'ignore' })
      return join(folder, 'above')
    },
    stop: async (folder) => unmount(join(folder, 'above')),
  },
  {
    name: 'gocryptfs',
    program: 'gocryptfs',
    start: async (folder) => {
      const passphrase = join(folder, 'passphrase')
      writeFileSync(passphrase, 'bench')
      execFileSync('gocryptfs', ['-q', '-init', '-passfile', passphrase, made(folder, 'below')])
      // It leaves a child that keeps the given pipes open.
      execFileSync(
        'gocryptfs',
        ['-q', '-nosyslog', '-passfile', passphrase, join(folder, 'below'), made(folder, 'above')],
        { stdio: 'ignore' },
      )
      return join(folder, 'above')
    },
    stop: async (folder) => unmount(join(folder, 'above')),
  },
  {
    name: 'rclone',
    program: 'rclone',
    isSlow: true,
    start: async (folder) => {
      const args = [
        'mount',
        made(folder, 'below'),
        made(folder, 'above'),
        '--vfs-cache-mode',
        'full',
        '--cache-dir',
        join(folder, 'cache'),
        '--daemon',
      ]
      execFileSync('rclone', args, {
        env: { ...process.env, RCLONE_CONFIG: join(folder, 'rclone.conf') },
        stdio: 'ignore',
      })
      return join(folder, 'above')
    },
    stop: async (folder) => unmount(join(folder, 'above')),
  },
  {
    name: 'kubo',
    isSlow: true,
    program: process.env['DAGDRIVE_KUBO'] ?? 'ipfs',
    start: async (folder) => {
      const binary = process.env['DAGDRIVE_KUBO'] ?? 'ipfs'
      const env = { ...process.env, IPFS_PATH: join(folder, 'repo') }
      const mfs = made(folder, 'mfs')
      execFileSync(binary, ['init', '--profile=test'], { env, stdio: 'ignore' })
      const mounts = [
        `--mount-mfs=${mfs}`,
        `--mount-ipfs=${made(folder, 'ipfs')}`,
        `--mount-ipns=${made(folder, 'ipns')}`,
      ]
      daemon = spawn(binary, ['daemon', '--mount', ...mounts], { env, stdio: 'ignore' })
      for (let i = 0; i < 200 && !readFileSync('/proc/self/mounts', 'utf8').includes(` ${mfs} `); i++) await sleep(100)
      return mfs
    },
    stop: async (folder) => {
      for (const name of ['mfs', 'ipfs', 'ipns']) unmount(join(folder, name))
      const ended = new Promise((resolve) => daemon?.once('close', resolve))
      daemon?.kill('SIGTERM')
      await ended
    },
  },
  dagdrive('dagdrive', CLI),
  // Without the log of operations that survives a killed daemon.
  { ...dagdrive('no-holder', CLI, { DAGDRIVE_HOLDER: '0' }), isExtra: true },
  ...(BEFORE === undefined ? [] : [dagdrive('before', join(BEFORE, 'dist/src/cli/main.js'))]),
]

/** The drive, run with a build's command line. */
function dagdrive(name: string, cli: string, settings: Readonly<Record<string, string>> = {}): Target {
  const home = (folder: string): NodeJS.ProcessEnv => ({
    ...process.env,
    ...settings,
    DAGDRIVE_HOME: join(folder, 'home'),
  })
  return {
    name,
    start: async (folder) => {
      const args = [cli, 'up', made(folder, 'above'), '--phrase-out', join(folder, 'phrase')]
      execFileSync(process.execPath, args, { env: home(folder), stdio: ['ignore', 'ignore', 'inherit'] })
      return join(folder, 'above')
    },
    cpuSeconds: (folder) => driveCpuSeconds(join(folder, 'home')),
    settle: (folder) => {
      execFileSync(process.execPath, [cli, 'sync'], { env: home(folder), stdio: 'ignore' })
    },
    stop: async (folder) => {
      // Unmounting before everything is published has its own exit status, which is expected here.
      spawnSync(process.execPath, [cli, 'unmount', join(folder, 'above'), '--now'], {
        env: home(folder),
        stdio: 'ignore',
      })
    },
  }
}

function made(folder: string, name: string): string {
  const path = join(folder, name)
  mkdirSync(path, { recursive: true })
  return path
}

function unmount(path: string): void {
  for (let tries = 0; tries < 20; tries++) {
    try {
      execFileSync('umount', [path], { stdio: 'ignore' })
      return
    } catch {
      execFileSync('sleep', ['0.2']) // still busy with the last close
    }
  }
  execFileSync('umount', ['-l', path])
}
