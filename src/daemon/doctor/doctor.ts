/** Checks of this machine that need neither the daemon nor an open drive. Each finding includes the remedy. */
import { access, constants, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { callControl, controlAnswers } from '../../api/index.js'
import {
  DriveError,
  GIB,
  MIB,
  isDriveError,
  packageVersion,
  shellWord,
  silentLog,
  systemClock,
  systemRandom,
} from '../../base/index.js'
import { readConfig, type DrivePaths, nativeSeal, spaceOf } from '../../platform/index.js'
import { fuseAddonProblem, hasFuseNative, isStale } from '../../fuse/index.js'
import { openNode } from '../../node/index.js'
import { readMountRecord } from '../mounts/mount-record.js'
import { readNodeKey } from '../keys/node-keys.js'
import { runProgram } from './run-program.js'

export interface Finding {
  readonly check: string
  readonly level: 'ok' | 'warning' | 'problem'
  readonly message: string
}

type Outcome = readonly [level: Finding['level'], message: string]

type Check = readonly [name: string, run: () => Promise<Outcome>]

const NODE_TIMEOUT_MS = 10_000
const FUSE_CHECKS: readonly Check[] = [
  ['/dev/fuse', fuseDevice],
  ['fusermount3', fusermount],
  ['FUSE addon', async () => addon(fuseAddonProblem())],
]

/** Runs every check. A check that fails becomes a warning; the others still run. */
export async function diagnose(paths: DrivePaths): Promise<Finding[]> {
  const checks: readonly Check[] = [
    ['node.js', nodeVersion],
    ...FUSE_CHECKS,
    ['sealing core', sealingCore],
    ['folders', () => folders(paths)],
    ['drive key', () => keyFile(paths)],
    ['disk space', () => diskSpace(paths)],
    ['stale mounts', () => staleMounts(paths)],
    ['daemon', () => daemonRuns(paths)],
    ['node', () => nodeReachable(paths)],
    ['clock', clockSane],
  ]
  return Promise.all(
    checks.map(async ([check, run]) => {
      try {
        const [level, message] = await run()
        return { check, level, message }
      } catch (error) {
        return { check, level: 'warning' as const, message: `not checked: ${messageOf(error)}` }
      }
    }),
  )
}

/** @throws MOUNT_FAILED if this machine lacks something that every mount needs */
export async function requireFuse(): Promise<void> {
  for (const [check, run] of FUSE_CHECKS) {
    const [level, message] = await run()
    if (level === 'problem') throw new DriveError('MOUNT_FAILED', `${check}: ${message}`)
  }
}

async function nodeVersion(): Promise<Outcome> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const good = major > 20 || (major === 20 && minor >= 19)
  return [good ? 'ok' : 'problem', `${process.version}${good ? '' : '; 20.19 or newer is needed'}`]
}

async function fuseDevice(): Promise<Outcome> {
  try {
    await access('/dev/fuse', constants.R_OK | constants.W_OK)
    return ['ok', 'can be opened']
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    return [
      'problem',
      missing
        ? 'missing: load the kernel module with "modprobe fuse", or give the container the device'
        : 'cannot be opened by this user: it should have mode 0666',
    ]
  }
}

async function fusermount(): Promise<Outcome> {
  const { code, output } = await runProgram('fusermount3', ['--version'])
  if (code === 0) return ['ok', output.trim()]
  const asRoot = process.geteuid?.() === 0
  return [
    asRoot ? 'warning' : 'problem',
    `not found: install the package fuse3${asRoot ? ' (root mounts without it)' : ''}`,
  ]
}

async function addon(problem: string | undefined): Promise<Outcome> {
  if (problem === undefined) return ['ok', 'built']
  const instead = 'fuse-native is used instead, which is slower and can do less'
  if (hasFuseNative()) return ['warning', `${problem}; ${instead}: run "npm run build:native"`]
  return ['problem', `${problem}: run "npm run build:native", or install the package fuse-native`]
}

async function sealingCore(): Promise<Outcome> {
  return nativeSeal() === undefined
    ? ['warning', 'the JavaScript fallback is used, which is slower: run "npm run build:native"']
    : ['ok', 'native']
}

async function folders(paths: DrivePaths): Promise<Outcome> {
  for (const directory of paths.directories) {
    const found = await stat(directory).catch(() => undefined) // created at first use
    if (found === undefined) continue
    if (found.uid !== process.getuid?.()) return ['problem', `${directory} belongs to another user`]
    if ((found.mode & 0o077) !== 0) return ['problem', `others can read ${directory}: run "chmod 700 ${directory}"`]
  }
  return ['ok', paths.directories.join(', ')]
}

async function keyFile(paths: DrivePaths): Promise<Outcome> {
  const found = await stat(paths.keyFile).catch(() => undefined) // no drive here
  if (found === undefined) return ['ok', 'no drive here yet']
  if ((found.mode & 0o077) !== 0)
    return ['problem', `others can read ${paths.keyFile}: run "chmod 600 ${paths.keyFile}"`]
  return ['ok', paths.keyFile]
}

async function diskSpace(paths: DrivePaths): Promise<Outcome> {
  let directory = paths.dataDirectory
  // Created at first use, on the disk of its nearest parent.
  while (directory !== '/' && (await stat(directory).catch(() => undefined)) === undefined)
    directory = dirname(directory)
  const { availableBytes: free } = await spaceOf(directory)
  const shown = free < GIB ? `${Math.floor(free / MIB)} MiB` : `${(free / GIB).toFixed(1)} GiB`
  return [free < GIB ? 'warning' : 'ok', `${shown} free for cache and unpublished data`]
}

async function staleMounts(paths: DrivePaths): Promise<Outcome> {
  for (const { directory } of await readMountRecord(paths.mountsFile, silentLog)) {
    const stale = await isStale(directory).catch(() => false) // the directory is gone
    if (stale)
      return [
        'problem',
        `${directory} is a dead mount of this drive: ` +
          `run "dagdrive mount ${shellWord(directory)}" or "dagdrive unmount --now"`,
      ]
  }
  return ['ok', 'none']
}

async function daemonRuns(paths: DrivePaths): Promise<Outcome> {
  if (!(await controlAnswers(paths.socket))) return ['ok', 'not running']
  const status = await callControl(paths.socket, 'status', {}, { signal: AbortSignal.timeout(NODE_TIMEOUT_MS) })
  const error = status.lastError === undefined ? '' : `; last error: ${status.lastError}`
  return [status.state === 'failed' ? 'problem' : error === '' ? 'ok' : 'warning', `running, ${status.state}${error}`]
}

const NODE_KINDS = { embedded: 'embedded node', folder: 'block store', kubo: 'Kubo' } as const

async function nodeReachable(paths: DrivePaths): Promise<Outcome> {
  const signal = AbortSignal.timeout(NODE_TIMEOUT_MS)
  const config = await readConfig(paths)
  try {
    // A running daemon has an embedded store open, so the daemon is asked.
    if (await controlAnswers(paths.socket)) {
      const report = await callControl(paths.socket, 'nodeTest', {}, { signal })
      return ['ok', `${NODE_KINDS[report.kind]} ${report.version ?? ''} at ${report.where}`]
    }
    if (config.nodeUrl === 'embedded') return ['ok', 'embedded, on this machine']
    const credential = await readNodeKey(paths.nodeKeyFile, config.nodeUrl)
    const node = await openNode(config.nodeUrl, {
      dataDirectory: paths.dataDirectory,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      version: packageVersion(),
      credentials: credential?.key,
      listener: credential?.listener,
    })
    try {
      const status = await node.check({ signal })
      return ['ok', `${NODE_KINDS[status.kind]} ${status.version} at ${status.where}`]
    } finally {
      await node.close()
    }
  } catch (error) {
    const denied = isDriveError(error, 'NODE_DENIED') && !error.message.includes('node set')
    return [
      'problem',
      `${messageOf(error)}${denied ? ' Set its key with "dagdrive node set URL --key-file FILE".' : ''}`,
    ]
  }
}

/**
 * Name records have an expiry date. A clock that is years off makes them invalid. The newest known file date is the
 * lower bound.
 */
async function clockSane(): Promise<Outcome> {
  const built = await stat(new URL(import.meta.url))
  const nowMs = systemClock.nowMs()
  if (nowMs + 86_400_000 < built.mtimeMs) return ['problem', 'the clock is behind the date this program was built']
  const { output } = await runProgram('timedatectl', ['show', '--property=NTPSynchronized', '--value'])
  return output.trim() === 'no'
    ? ['warning', 'not synchronised with a time server']
    : ['ok', new Date(nowMs).toISOString()]
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
