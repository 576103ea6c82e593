/** The daemon's process: lock, log, socket, signals, and the exit when nothing is left to do. */
import { spawn } from 'node:child_process'
import { controlAnswers, serveControl, type ControlServer } from '../../api/index.js'
import { createLog, isDriveError, MIB, packageVersion, sleep, systemClock, type Log } from '../../base/index.js'
import { drivePaths, keepMemoryPrivate, preparePaths } from '../../platform/index.js'
import { attachHolder } from '../mounts/holder.js'
import { noteLostLog } from '../mounts/note-lost-log.js'
import type { StartThread } from '../drive-thread/prepare-drive-thread.js'
import { createControl } from '../control/control.js'
import { createDaemon } from './daemon.js'
import { collectWhenIdle } from './idle-memory.js'
import type { EndSignals } from './end-signals.js'
import { keepOwnCopy } from './program/keep-copy.js'
import { originalMain } from './program/newer-program.js'
import { holdLock, type HeldLock, type LockHolder } from './lock.js'
import { boundedLog, loseOutputOfFullDisk } from './log/log-file.js'
import { canForget, stageBeforeEnd } from './ending/stage-before-end.js'

const LOG_BYTES = 4 * MIB
/** Without mounts, requests and uploads, the daemon exits after this time. */
const IDLE_MS = 10_000
/** Another daemon may be exiting. */
const LOCK_PATIENCE_MS = 10_000
/** The exit status if another daemon holds the home; src/cli/daemon-process.ts expects it. */
const STATUS_LOCKED = 12
const GRACE_MS = 1_000
/** An opening that waits (for space, or after deaths of the drive thread) gets this long before the end gives it up. */
const WAIT_PATIENCE_MS = 60_000

/** @param startThread its drive thread is already loading */
export async function runDaemon(startThread: StartThread, signals: EndSignals): Promise<void> {
  const startedMs = systemClock.monotonicMs()
  const words = process.argv.slice(2)
  const stay = words.includes('stay')
  const paths = drivePaths()
  const isPrivate = keepMemoryPrivate()
  await preparePaths(paths)
  loseOutputOfFullDisk()
  const log = createLog(boundedLog(paths.logFile, LOG_BYTES), 'info', () => systemClock.nowMs())
  if (!isPrivate) log.warn('other programs of this user can read the memory of the daemon: the native core is missing')
  let lock: HeldLock
  try {
    lock = await waitForLock(paths.lockFile, { pid: process.pid, socket: paths.socket, isManaged: isManaged(words) })
  } catch (error) {
    log.warn('not started', { error: error instanceof Error ? error.message : String(error) })
    process.exitCode = isDriveError(error, 'LOCKED') ? STATUS_LOCKED : 1
    return
  }

  let endSoon = false
  let ending: Promise<void> | undefined
  let idleTimer: NodeJS.Timeout | undefined
  let server: ControlServer | undefined = undefined as ControlServer | undefined
  const holder = await attachHolder({ paths, log, command: nextDaemon(words) })
  const daemon = createDaemon({
    paths,
    log,
    version: packageVersion(),
    leaveMounts: words.includes('leave-mounts'),
    holder,
    startThread,
    onMountsChanged: () => considerEnd(),
  })
  await noteLostLog(holder, daemon.losses)

  const settled = (): Promise<void> => {
    const cancel = systemClock.after(WAIT_PATIENCE_MS, () => {
      // What only the log has is lost then.
      if (daemon.waiting.problem !== undefined) process.exitCode = 1
      void daemon.giveUpWaiting()
    })
    return daemon.settled().finally(cancel)
  }
  const end = (why: string, isSignal = false): Promise<void> =>
    (ending ??= (async () => {
      log.info('ending', { why })
      clearTimeout(idleTimer)
      let lost: string | undefined
      // After a signal, what waits for space waits while the socket answers, and tells of it.
      if (isSignal && daemon.waiting.problem !== undefined) await settled()
      let noted: Promise<void> | undefined
      const onLost = (what: string): void => void (noted = daemon.losses.note(what))
      if (isSignal)
        lost = await stageBeforeEnd(daemon.drive, log, { onLost, onWait: (reason) => (daemon.lastError = reason) })
      // The socket closes first. A new client starts the next daemon, which waits for this lock.
      await server?.close(GRACE_MS)
      await settled()
      lost ??= await stageBeforeEnd(daemon.drive, log, { onLost })
      await noted
      try {
        await daemon.close(stay)
      } catch (error) {
        if (lost !== undefined) await daemon.losses.note(lost)
        log.error('the drive did not close cleanly', { error: error instanceof Error ? error.message : String(error) })
        process.exitCode = 1
      }
      await holder.close()
      await lock.release()
      log.info('ended')
      // Threads and sockets of libraries may remain; everything of this program is closed and durable.
      process.exit()
    })())

  const considerEnd = (): void => {
    if (ending !== undefined) return
    if (endSoon && server?.active === 0) {
      void end('requested')
      return
    }
    clearTimeout(idleTimer)
    if (!stay) idleTimer = setTimeout(() => void endWhenIdle(), IDLE_MS)
  }
  const isBusy = (): boolean =>
    (server?.active ?? 0) > 0 || (daemon.drive?.mounts.length ?? 0) > 0 || daemon.state === 'opening' || isUploading()
  const endWhenIdle = async (): Promise<void> => {
    if (isBusy() || !(await canForget(daemon.drive)) || isBusy()) considerEnd()
    else void end('idle')
  }
  const isUploading = (): boolean => {
    const phase = daemon.drive?.sync.status().phase
    return phase !== undefined && !['idle', 'retrying', 'refused', 'paused', 'closed'].includes(phase)
  }

  if (isManaged(words)) dieWithParent(() => ending !== undefined)
  collectWhenIdle()
  void keepOwnCopy(log)
  guard(log, (what) => (daemon.lastError = what))
  // By default, this signal opens Node's debugger on a TCP port. Every user of this machine could read the keys there.
  process.on('SIGUSR1', () => log.warn('the debugger stays closed'))
  // Before the socket opens: an early `init` waits for it.
  const started = daemon.start()
  server = await serveControl({
    path: paths.socket,
    log,
    files: async () => (await daemon.requireDrive()).files,
    service: createControl({
      daemon,
      startedMs,
      stay,
      endSoon: () => {
        endSoon = true
      },
    }),
    onAnswered: considerEnd,
  })
  // Not earlier: a daemon that ends before it has opened the drive leaves a held mount to nobody.
  signals.listen((signal) => void end(signal, true))
  log.info('started', { pid: process.pid, version: daemon.version, node: process.version })
  await started
  if (isManaged(words)) spawn('systemd-notify', ['--ready'], { stdio: 'ignore' }).on('error', () => undefined)
  considerEnd()
}

/** Whether a service manager started `daemon run`, and starts it again. */
function isManaged(words: readonly string[]): boolean {
  return process.env['NOTIFY_SOCKET'] !== undefined && words.includes('stay')
}

/**
 * The manager watches `daemon run`, which holds the other end of standard input. If that process is gone, the manager
 * starts another one, whose daemon needs the lock and takes the mount over.
 */
function dieWithParent(isEnding: () => boolean): void {
  process.stdin.on('close', () => {
    if (!isEnding()) process.kill(process.pid, 'SIGKILL')
  })
  process.stdin.resume()
}

/**
 * The command with which the holder starts the next daemon after a kill. If this one runs from a copy, an empty word
 * and a second command follow: the copy may be removed under it. Empty under a service manager, which restarts it.
 */
function nextDaemon(words: readonly string[]): readonly string[] {
  if (isManaged(words)) return []
  const again = words.filter((word) => word !== 'leave-mounts')
  const command = (main: string): string[] => [process.execPath, ...process.execArgv, main, ...again]
  const own = process.argv[1] ?? ''
  const origin = originalMain(words)
  return [...command(own), ...(origin === undefined || origin === own ? [] : ['', ...command(origin)])]
}

async function waitForLock(path: string, holder: LockHolder): Promise<HeldLock> {
  const deadline = systemClock.monotonicMs() + LOCK_PATIENCE_MS
  for (;;) {
    try {
      return await holdLock(path, holder)
    } catch (error) {
      // A daemon that answers is not exiting, so it keeps the home.
      if (
        !isDriveError(error, 'LOCKED') ||
        systemClock.monotonicMs() > deadline ||
        (await controlAnswers(holder.socket))
      )
        throw error
      await sleep(50)
    }
  }
}

/** Failures without a caller are logged and reported, and do not end the mount. */
function guard(log: Log, remember: (what: string) => void): void {
  const note = (kind: string) => (error: unknown) => {
    const message = error instanceof Error ? error.message : String(error)
    remember(`${kind}: ${message}`)
    log.error(kind, { error: message, ...(error instanceof Error ? { stack: error.stack } : {}) })
  }
  process.on('unhandledRejection', note('an unhandled failure'))
  process.on('uncaughtException', note('an uncaught failure'))
}
