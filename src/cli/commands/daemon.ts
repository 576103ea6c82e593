/** `dagdrive daemon run` and `dagdrive daemon stop`. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { UnmountReport } from '../../api/index.js'
import { DriveError } from '../../base/index.js'
import { preparePaths } from '../../platform/index.js'
import { daemonCommand, processEnded, requireSpace, STATUS_LOCKED } from '../daemon-process.js'
import { OTHER_STATUS } from '../exit-status.js'
import { amount } from '../report.js'
import { ask, askIfRunning, show, type Session } from '../session.js'

/** Runs the daemon in the foreground until it ends, and forwards signals to it. */
export async function daemonRun(session: Session): Promise<void> {
  await preparePaths(session.paths)
  const command = daemonCommand({ stayWithoutMounts: true })
  // Under a service manager, the daemon must not outlive the process that the manager watches: the pipe tells it.
  const input = process.env['NOTIFY_SOCKET'] === undefined ? 'inherit' : 'pipe'
  const child = spawn(process.execPath, command.arguments, {
    env: command.environment,
    stdio: [input, 'inherit', 'inherit'],
  })
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal)
  process.on('SIGTERM', pass)
  process.on('SIGINT', pass)
  session.status = await new Promise<number>((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 128 + 9)))
  })
  process.off('SIGTERM', pass)
  process.off('SIGINT', pass)
  if (session.status !== 0) await requireSpace(dirname(session.paths.logFile))
  if (session.status !== STATUS_LOCKED) return
  throw new DriveError('LOCKED', 'Another daemon of this home is running. To end it: "dagdrive daemon stop".')
}

export async function daemonStop(session: Session, options: { readonly json?: boolean }): Promise<void> {
  // After a kill, the holder keeps the mount and a new daemon takes it over. That daemon is stopped.
  const isHeld = existsSync(session.paths.holderSocket)
  const report = isHeld
    ? await ask(session, 'stop', {}, { leaveMounts: true })
    : await askIfRunning(session, 'stop', {})
  if (report === undefined) return show(session, options.json, { running: false }, 'No daemon is running.')
  await processEnded(report.endingPid)
  const left = report.staged.files > 0 || report.mayBeStaged === true
  const text = `Stopped.${stagedText(report)}`
  show(session, options.json, { running: false, ...report }, text)
  if (left) session.status = OTHER_STATUS.leftStaged
}

function stagedText({ staged, mayBeStaged }: Pick<UnmountReport, 'staged' | 'mayBeStaged'>): string {
  if (mayBeStaged === true) return ' The drive is locked: there may be changes on this machine that are not published.'
  return staged.files > 0 ? ` On this machine only (staged): ${amount(staged)}.` : ''
}
