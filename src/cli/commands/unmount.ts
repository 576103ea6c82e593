/**
 * `dagdrive unmount`: drains by default. With `--now` it does not drain, and reports the data that is only on this
 * machine.
 */
import { resolve } from 'node:path'
import type { UnmountReport } from '../../api/index.js'
import { DriveError, printableLines } from '../../base/index.js'
import { processEnded } from '../daemon-process.js'
import { OTHER_STATUS } from '../exit-status.js'
import { amount } from '../report.js'
import { ask, askIfRunning, requireOpenDrive, show, type Session, type UnlockOptions } from '../session.js'

export interface UnmountCommandOptions extends UnlockOptions {
  readonly now?: boolean
  readonly force?: boolean
  readonly json?: boolean
}

export async function unmount(
  session: Session,
  directory: string | undefined,
  options: UnmountCommandOptions,
): Promise<void> {
  // An empty argument, such as an unset shell variable, does not mean the current directory.
  if (directory === '') throw new DriveError('USAGE', 'The directory to unmount is empty. Nothing was done.')
  const wanted = directory === undefined ? undefined : resolve(directory)
  const leaveMounts = options.now === true || options.force === true
  if (await isLockedUnmounted(session)) return nothingMounted(session, wanted, options)
  await requireOpenDrive(session, { ...options, leaveMounts })
  // In the mount, this process itself would keep it busy.
  process.chdir('/')
  const interrupt = new AbortController()
  const onInterrupt = (): void => interrupt.abort()
  process.once('SIGINT', onInterrupt)
  try {
    const report = await ask(
      session,
      'unmount',
      {
        ...(wanted === undefined ? {} : { directory: wanted }),
        now: options.now === true,
        force: options.force === true,
      },
      { signal: interrupt.signal, leaveMounts },
    )
    if (report.endingPid !== undefined) await processEnded(report.endingPid)
    show(session, options.json, report, unmountText(report))
    if (report.staged.files > 0) session.status = OTHER_STATUS.leftStaged
  } catch (error) {
    if (interrupt.signal.aborted) {
      session.terminal.note(
        'Still mounted. The upload continues in the background. "unmount --now" unmounts without uploading.',
      )
    }
    throw error
  } finally {
    process.off('SIGINT', onInterrupt)
  }
}

/** A locked drive has no mounts. Its passphrase is not needed to say so. */
async function isLockedUnmounted(session: Session): Promise<boolean> {
  const running = await askIfRunning(session, 'status', {})
  return running !== undefined && running.state === 'locked' && running.mounts.length === 0
}

function nothingMounted(session: Session, directory: string | undefined, options: UnmountCommandOptions): void {
  if (directory !== undefined)
    throw new DriveError('NOT_MOUNTED', `The drive is locked and not mounted at ${directory}.`)
  show(session, options.json, { unmounted: [], locked: true }, 'Nothing was mounted. The drive is locked.')
}

function unmountText(report: UnmountReport): string {
  const lines = report.unmounted.map((directory) => `Unmounted ${directory}.`)
  if (report.unmounted.length === 0) lines.push('Nothing was mounted.')
  if (report.staged.files === 0) lines.push(`Everything is published.${report.nodeAway === true ? NODE_AWAY : ''}`)
  else lines.push(`On this machine only (staged): ${amount(report.staged)}. ${whatNext(report)}`)
  return printableLines(lines)
}

const NODE_AWAY = ' The node does not answer, so it was not asked whether it still has all of it.'

function whatNext({ stopped }: UnmountReport): string {
  if (stopped === undefined) return 'It is uploaded when the drive is next in use.'
  return `It stays on this machine and is not uploaded: ${stopped.message}`
}
