/**
 * `dagdrive unmount`: drains by default. With `--now` it does not drain, and reports the data that is only on this
 * machine.
 */
import { resolve } from 'node:path'
import type { UnmountReport } from '../../api/index.js'
import { DriveError, isDriveError, printableLines } from '../../base/index.js'
import { processEnded } from '../daemon-process.js'
import { OTHER_STATUS } from '../exit-status.js'
import { amount } from '../report.js'
import { ask, driveExists, requireOpenDrive, show, type Session, type UnlockOptions } from '../session.js'

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
  if (await isLeftLocked(session, options)) return leaveLocked(session, wanted, options)
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

/**
 * Whether the drive is locked, and the command needs no key: no passphrase is given, and nothing is to be uploaded.
 * @throws LOCKED if there may be something to upload, and nobody can be asked for the passphrase
 */
async function isLeftLocked(session: Session, options: UnmountCommandOptions): Promise<boolean> {
  if (options.passphraseFile !== undefined || !(await driveExists(session))) return false
  const leaveMounts = options.now === true || options.force === true
  const { state, mayBeStaged } = await ask(session, 'status', {}, { leaveMounts })
  if (state !== 'locked') return false
  if (leaveMounts || mayBeStaged === false) return true
  await unlockToUpload(session)
  return false
}

async function unlockToUpload(session: Session): Promise<void> {
  try {
    await requireOpenDrive(session)
  } catch (error) {
    if (!isDriveError(error, 'LOCKED')) throw error
    const how = 'Give its passphrase with --passphrase-file, or run the command at a terminal'
    throw new DriveError(
      'LOCKED',
      `The drive is locked, and ${MAY_BE_STAGED} ${how}; "unmount --now" leaves them here.`,
    )
  }
}

const MAY_BE_STAGED = 'there may be changes on this machine that are not published.'

async function leaveLocked(
  session: Session,
  directory: string | undefined,
  options: UnmountCommandOptions,
): Promise<void> {
  const given = { ...(directory === undefined ? {} : { directory }), now: true, force: options.force === true }
  const report = await ask(session, 'unmount', given)
  show(session, options.json, report, unmountText(report))
  if (report.mayBeStaged === true) session.status = OTHER_STATUS.leftStaged
}

function unmountText(report: UnmountReport): string {
  const lines = report.unmounted.map((directory) => `Unmounted ${directory}.`)
  if (report.unmounted.length === 0) lines.push('Nothing was mounted.')
  if (report.locked === true)
    lines.push(
      `The drive is locked${report.mayBeStaged === true ? `, and ${MAY_BE_STAGED}` : '. Everything is published.'}`,
    )
  else if (report.staged.files === 0) lines.push(`Everything is published.${report.nodeAway === true ? NODE_AWAY : ''}`)
  else lines.push(`On this machine only (staged): ${amount(report.staged)}. ${whatNext(report)}`)
  return printableLines(lines)
}

const NODE_AWAY = ' The node does not answer, so it was not asked whether it still has all of it.'

function whatNext({ stopped }: UnmountReport): string {
  if (stopped === undefined) return 'It is uploaded when the drive is next in use.'
  return `It stays on this machine and is not uploaded: ${stopped.message}`
}
