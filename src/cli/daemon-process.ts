/** Connects to the daemon of this home. Starts it in the background if none runs. */
import { spawn, type ChildProcess } from 'node:child_process'
import { constants } from 'node:fs'
import { readFile, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  callControl,
  controlAnswers,
  type CallControlOptions,
  type OperationName,
  type Operations,
} from '../api/index.js'
import { diskFailure, DriveError, KIB, sleep, systemClock } from '../base/index.js'
import {
  copiesFolder,
  copyProgram,
  isOurs,
  openHomeFile,
  programRoot,
  preparePaths,
  readHomeFile,
  type DrivePaths,
} from '../platform/index.js'
import { daemonEnvironment } from './daemon-environment.js'
import { watchingDaemon } from './stopped-daemon.js'

const START_TIMEOUT_MS = 60_000
/** The daemon's exit status when another one holds the home; see src/daemon/lifecycle/run-daemon.ts. */
export const STATUS_LOCKED = 12
/** Under a service manager, the next daemon after a kill is given this long to start, on a busy machine too. */
const MANAGER_MS = 20_000

/** A small young generation, chosen by measurement (S-005). */
const NODE_FLAGS = ['--max-semi-space-size=8', '--disable-warning=ExperimentalWarning']

export interface StartOptions {
  /** Detach the mounts of a crashed daemon instead of restoring them. */
  readonly leaveMounts?: boolean
  /** Keep running when nothing is mounted: a service manager ends the daemon. */
  readonly stayWithoutMounts?: boolean
}

/** How a command calls the daemon. `onStopped` learns once that the daemon is stopped and does not answer. */
export interface CallDaemonOptions extends StartOptions {
  readonly onStopped: (error: DriveError) => void
}

/** Calls an operation. Starts the daemon first if none runs. */
export async function callDaemon<Name extends OperationName>(
  paths: DrivePaths,
  name: Name,
  given: Operations[Name]['given'],
  options: CallControlOptions<Name> & CallDaemonOptions,
): Promise<Operations[Name]['answer']> {
  return callRunning(await reachDaemon(paths, options), paths, name, given, options)
}

/** Calls an operation of the daemon at a control socket of this home. */
export function callRunning<Name extends OperationName>(
  socket: string,
  { lockFile }: DrivePaths,
  name: Name,
  given: Operations[Name]['given'],
  options: CallControlOptions<Name> & Pick<CallDaemonOptions, 'onStopped'>,
): Promise<Operations[Name]['answer']> {
  const { onStopped } = options
  const daemonPid = async (): Promise<number | undefined> => (await lastDaemon(lockFile)).pid
  return watchingDaemon(() => callControl(socket, name, given, options), { daemonPid, onStopped })
}

/**
 * The control socket of the running daemon, or undefined. A socket that another user may have made is ignored, because
 * phrases and passphrases are sent over it.
 */
export async function findDaemon(paths: DrivePaths): Promise<string | undefined> {
  for (const path of [paths.socket, (await lastDaemon(paths.lockFile)).socket]) {
    if (path !== undefined && (await isOurs(path)) && (await controlAnswers(path))) return path
  }
  return undefined
}

async function reachDaemon(paths: DrivePaths, options: StartOptions): Promise<string> {
  const running = await findDaemon(paths)
  if (running !== undefined) return running
  await preparePaths(paths)
  const deadline = systemClock.monotonicMs() + START_TIMEOUT_MS
  const started = await startedByManager(paths)
  if (started !== undefined) return started
  let child: ChildProcess | undefined
  while (systemClock.monotonicMs() < deadline) {
    child ??= await startDaemon(paths, options)
    await sleep(25)
    const found = await findDaemon(paths)
    if (found !== undefined) return found
    if (child.exitCode === null && child.signalCode === null) continue
    // Another daemon is starting, or the last one is ending: check again, then retry.
    if (child.exitCode !== STATUS_LOCKED) break
    child = undefined
    await sleep(100)
  }
  await requireSpace(dirname(paths.logFile))
  throw new DriveError('DAEMON_UNREACHABLE', `The daemon did not start. See its log: ${paths.logFile}.`)
}

/** On a full or read-only disk the daemon can neither start nor log why. @throws NO_SPACE, QUOTA or READ_ONLY */
export async function requireSpace(directory: string): Promise<void> {
  const path = join(directory, `.space-${process.pid}`)
  try {
    await writeFile(path, Buffer.alloc(PROBE_BYTES, 1), { flag: 'wx', mode: 0o600, flush: true })
  } catch (error) {
    const disk = diskFailure(error)
    if (disk !== undefined) throw disk
  } finally {
    await unlink(path).catch(() => undefined) // not made
  }
}

const PROBE_BYTES = 64 * KIB

/**
 * After the kill of a daemon that a service manager runs, the manager starts the next one. Another daemon would keep
 * the home from it, and the mount would outlive the service.
 */
async function startedByManager(paths: DrivePaths): Promise<string | undefined> {
  if ((await lastDaemon(paths.lockFile)).isManaged !== true || process.env['NOTIFY_SOCKET'] !== undefined)
    return undefined
  const deadline = systemClock.monotonicMs() + MANAGER_MS
  while (systemClock.monotonicMs() < deadline) {
    await sleep(25)
    const found = await findDaemon(paths)
    if (found !== undefined) return found
  }
  return undefined
}

/** Resolves when the process has ended (a zombie has), or after `timeoutMs`. */
export async function processEnded(pid: number, timeoutMs = 15_000): Promise<void> {
  const deadline = systemClock.monotonicMs() + timeoutMs
  while (systemClock.monotonicMs() < deadline) {
    const commandLine = await readFile(`/proc/${pid}/cmdline`).catch(() => Buffer.alloc(0)) // gone
    if (commandLine.length === 0) return
    await sleep(10)
  }
}

export interface ProcessCommand {
  /** For `process.execPath`. */
  readonly arguments: string[]
  readonly environment: NodeJS.ProcessEnv
}

/** The command line of a daemon, for starting it here or in the foreground. */
export function daemonCommand(options: StartOptions): ProcessCommand {
  const flags = [
    ...(options.leaveMounts === true ? ['leave-mounts'] : []),
    ...(options.stayWithoutMounts === true ? ['stay'] : []),
  ]
  const root = programRoot()
  const folder = copiesFolder(process.env)
  const copy = folder === undefined ? undefined : copyProgram(root, folder)
  const from = copy === undefined ? [] : [`origin:${root}`]
  return commandOf(copy ?? root, 'lifecycle/main.js', [...flags, ...from])
}

export function doctorCommand(): ProcessCommand {
  return commandOf(programRoot(), 'doctor/doctor-main.js', [])
}

function commandOf(program: string, file: string, flags: readonly string[]): ProcessCommand {
  const entry = join(program, 'dist/src/daemon', file)
  return {
    arguments: [...NODE_FLAGS, entry, ...flags],
    environment: daemonEnvironment(process.env),
  }
}

interface LastDaemon {
  readonly pid?: number
  readonly socket?: string
  readonly isManaged?: boolean
}

async function startDaemon(paths: DrivePaths, options: StartOptions): Promise<ChildProcess> {
  const command = daemonCommand(options)
  const log = await openHomeFile(paths.logFile, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT)
  try {
    const child = spawn(process.execPath, command.arguments, {
      detached: true,
      // In the caller's directory the daemon would keep that file system busy.
      cwd: '/',
      env: command.environment,
      stdio: ['ignore', log.fd, log.fd],
    })
    child.on('error', () => {
      // The caller sees a daemon that never answers.
    })
    child.unref()
    return child
  } finally {
    await log.close()
  }
}

/**
 * What the lock file says of the daemon that has the home, or was killed. The runtime folder may differ between
 * sessions of one user, so it holds the path of the daemon's socket.
 */
async function lastDaemon(lockFile: string): Promise<LastDaemon> {
  // Without the file, no daemon has run here.
  const text = (await readHomeFile(lockFile))?.toString('utf8') ?? ''
  try {
    const { pid, socket, isManaged } = (JSON.parse(text) ?? {}) as Readonly<Record<string, unknown>>
    return {
      ...(typeof socket === 'string' ? { socket } : {}),
      ...(Number.isInteger(pid) ? { pid: pid as number } : {}),
      isManaged: isManaged === true,
    }
  } catch {
    // A daemon is starting, or the last one has ended.
    return {}
  }
}
