/** The environment of every command: paths, terminal, daemon, and unlocking of the drive. */
import type { CallControlOptions, OperationName, Operations } from '../api/index.js'
import { DriveError } from '../base/index.js'
import { drivePaths, readHomeFile, type DrivePaths } from '../platform/index.js'
import { callDaemon, callRunning, findDaemon, type CallDaemonOptions, type StartOptions } from './daemon-process.js'
import { readSecretFile } from './secret-file.js'
import { openTerminal, type Terminal } from './terminal.js'

export interface Session {
  readonly paths: DrivePaths
  readonly terminal: Terminal
  /** The exit status when nothing was thrown. */
  status: number
}

/** Paths are determined at first use, because help needs none. */
export function openSession(): Session {
  let paths: DrivePaths | undefined
  return {
    get paths() {
      return (paths ??= drivePaths())
    },
    terminal: openTerminal(),
    status: 0,
  }
}

export interface UnlockOptions {
  readonly passphraseFile?: string
}

export async function driveExists(session: Session): Promise<boolean> {
  return (await readHomeFile(session.paths.keyFile)) !== undefined
}

/**
 * NO_DRIVE on a fresh home; otherwise the daemon runs and the drive is unlocked when this resolves. USAGE if a
 * passphrase is given and the key has none: its user may believe that it is sealed.
 */
export async function requireOpenDrive(session: Session, options: UnlockOptions & StartOptions = {}): Promise<void> {
  if (!(await driveExists(session))) {
    throw new DriveError('NO_DRIVE', 'There is no drive here yet. Make one with "dagdrive up DIR" or "dagdrive init".')
  }
  const { state } = await callDaemon(session.paths, 'status', {}, { onStopped: noteStopped(session), ...options })
  if (state !== 'locked' && (state !== 'open' || options.passphraseFile === undefined)) return
  const passphrase =
    options.passphraseFile === undefined
      ? await session.terminal.askSecret('Passphrase: ', locked())
      : await readSecretFile(options.passphraseFile, 'passphrase', session.terminal)
  await callDaemon(session.paths, 'unlock', { passphrase }, { onStopped: noteStopped(session), ...options })
}

function locked(): DriveError {
  return new DriveError(
    'LOCKED',
    'The drive is locked. Give its passphrase with --passphrase-file, or run the command at a terminal.',
  )
}

/** Calls an operation of the daemon and shows its progress. Starts the daemon if none runs. */
export async function ask<Name extends Exclude<OperationName, 'fsck' | 'nodeForget'>>(
  session: Session,
  name: Name,
  given: Operations[Name]['given'],
  options: Pick<CallControlOptions<Name>, 'signal'> & Partial<CallDaemonOptions> = {},
): Promise<Operations[Name]['answer']> {
  const onProgress = (what: Operations[Name]['progress']): void => session.terminal.progress(what)
  try {
    return await callDaemon(session.paths, name, given, { onStopped: noteStopped(session), ...options, onProgress })
  } finally {
    session.terminal.endProgress()
  }
}

/** Calls an operation only when a daemon runs; undefined otherwise. */
export async function askIfRunning<Name extends OperationName>(
  session: Session,
  name: Name,
  given: Operations[Name]['given'],
): Promise<Operations[Name]['answer'] | undefined> {
  const socket = await findDaemon(session.paths)
  if (socket === undefined) return undefined
  return callRunning(socket, session.paths, name, given, { onStopped: noteStopped(session) })
}

/** A command waits for a stopped daemon, and says so. */
export function noteStopped({ terminal }: Session): (error: DriveError) => void {
  return ({ message }) => terminal.note(message)
}

/** The answer as one line of JSON, or as text. */
export function show(session: Session, json: boolean | undefined, answer: unknown, text: string): void {
  if (json === true) session.terminal.printJson(answer)
  else session.terminal.print(text)
}
