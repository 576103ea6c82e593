/** `dagdrive up` and `dagdrive mount`. */
import { resolve } from 'node:path'
import type { MountReport } from '../../api/index.js'
import { DriveError, isDriveError, printable, printableLines, shellWord } from '../../base/index.js'
import { nodeUrlOf, readConfig, requireNodeUrl } from '../../platform/index.js'
import { calledAs } from '../called-as.js'
import { readPhraseFile, readSecretFile } from '../secret-file.js'
import { ask, driveExists, requireOpenDrive, show, type Session, type UnlockOptions } from '../session.js'
import { adoptFiles, adoptText } from './adopt.js'
import { initText, isForNew, makeDrive, shownReport, type InitOptions } from './init.js'
import { lineBeside, wholeLine, withAdopt } from './whole-line.js'

export interface MountCommandOptions extends UnlockOptions {
  readonly readOnly?: boolean
  readonly allowOther?: boolean
  readonly foreground?: boolean
  /** Only of `up`. */
  readonly adopt?: boolean
  readonly json?: boolean
}

export async function mount(session: Session, directory: string, options: MountCommandOptions): Promise<void> {
  mountpoint(directory)
  await requireOpenDrive(session, options)
  const report = await mountNow(session, directory, options)
  show(session, options.json, report, printable(`Mounted at ${report.directory}.`))
  if (options.foreground === true) await stay(session, report.directory)
}

export async function up(
  session: Session,
  directory: string,
  options: MountCommandOptions & InitOptions,
): Promise<void> {
  const at = mountpoint(directory)
  if (options.adopt === true && options.readOnly === true)
    throw new DriveError('USAGE', '--adopt moves files into the drive, so it cannot be used with --read-only.')
  const made = (await isThere(session, at, options)) ? undefined : await makeDrive(session, options, at)
  // The phrase is shown only once, so it is printed before a later step can fail.
  if (made !== undefined && options.json !== true) session.terminal.print(initText(made, options))
  const report = await mountNow(session, directory, options)
  const adopted = options.adopt === true ? await adoptFiles(session, report.directory) : undefined
  const init = made === undefined ? undefined : shownReport(made, options)
  const about = adopted === undefined ? '' : `${adoptText(adopted, report.directory)}\n`
  show(
    session,
    options.json,
    { ...(init === undefined ? {} : { init }), mount: report, ...(adopted === undefined ? {} : { adopted }) },
    `${about}${upText(report, made?.outcome === 'created')}`,
  )
  if (options.foreground === true) await stay(session, report.directory)
}

/** The absolute path. An empty argument, such as an unset shell variable, does not mean the current directory. */
function mountpoint(directory: string): string {
  if (directory === '') throw new DriveError('USAGE', 'The directory to mount at is empty. Nothing was done.')
  return resolve(directory)
}

/**
 * Whether this home has a drive to mount. False if its data and its node are lost and the user requests an empty drive.
 */
async function isThere(
  session: Session,
  directory: string,
  options: MountCommandOptions & InitOptions,
): Promise<boolean> {
  if (!(await driveExists(session))) return false
  try {
    await requireOpenDrive(session, options)
    await sameDrive(session, directory, options)
    return true
  } catch (error) {
    if (isDriveError(error, 'NO_DRIVE') && isForNew(options)) return false
    if (isDriveError(error, 'DRIVE_EXISTS') && options.replaceEmpty === true) return false
    throw error
  }
}

/** On a home with a drive, `--phrase-file` must hold that drive's phrase, and `--node` does not move the drive. */
async function sameDrive(session: Session, directory: string, options: InitOptions): Promise<void> {
  if (options.phraseFile !== undefined) {
    const phrase = await readPhraseFile(options.phraseFile, session.terminal)
    if (!(await ask(session, 'keyVerify', { phrase })).matches) {
      throw new DriveError(
        'DRIVE_EXISTS',
        `This home has another drive. Nothing was changed. ${toReplace(directory, options)} ${lineBeside(directory, options)}`,
      )
    }
  }
  if (options.phraseOut !== undefined) {
    session.terminal.note('note: the drive exists; "dagdrive key show --phrase-out FILE" writes its phrase')
  }
  if (options.node !== undefined || options.nodeKeyFile !== undefined) {
    await requireSameNode(session, directory, options)
  }
}

/** @throws DRIVE_EXISTS if the options name another node, or another key for it: `up` does not move a drive. */
async function requireSameNode(session: Session, directory: string, options: InitOptions): Promise<void> {
  const { node, nodeKeyFile, phraseFile } = options
  const { nodeUrl } = await readConfig(session.paths)
  const wanted = node === undefined ? nodeUrl : nodeUrlOf(node)
  requireNodeUrl(wanted)
  const isSame = wanted.replace(/\/$/, '') === nodeUrl.replace(/\/$/, '')
  if (isSame && (await isSameKey(session, nodeUrl, nodeKeyFile))) return
  const key = nodeKeyFile === undefined ? '' : ` --key-file ${shellWord(nodeKeyFile)}`
  const line = `"dagdrive node set ${shellWord(isSame ? nodeUrl : wanted)}${key}"`
  const shown = nodeUrl === 'embedded' ? 'the embedded node' : nodeUrl
  throw new DriveError(
    'DRIVE_EXISTS',
    isSame
      ? `The credential differs from the one that this home has for ${shown}. Nothing was changed. To change it: ${line}. To mount without changing it, leave out --node-key-file.`
      : [
          `The drive of this home publishes to ${shown}. Nothing was changed. To move it: ${line}.`,
          'To mount it as it is, leave out --node and --node-key-file.',
          ...(phraseFile === undefined ? [] : [toReplace(directory, options)]),
        ].join(' '),
  )
}

/** Only the daemon reads the key that it keeps. */
async function isSameKey(session: Session, url: string, file: string | undefined): Promise<boolean> {
  if (file === undefined) return true
  const key = await readSecretFile(file, 'node key', session.terminal)
  return (await ask(session, 'nodeKeyVerify', { url, key })).matches
}

/** The command that opens the drive of the phrase in place of an empty one. */
function toReplace(directory: string, options: InitOptions): string {
  const { node = 'URL', phraseFile = 'FILE' } = options
  const line = wholeLine(directory, { ...options, node, phraseFile, replaceEmpty: true })
  return `If the drive here is empty, replace it: "${line}".`
}

async function mountNow(session: Session, directory: string, options: MountCommandOptions): Promise<MountReport> {
  const report = await ask(session, 'mount', {
    directory: mountpoint(directory),
    readOnly: options.readOnly === true,
    allowOther: options.allowOther === true,
    ...(options.adopt === true ? { adopt: true } : {}),
  }).catch((error: unknown) => {
    throw withAdopt(error, mountpoint(directory), options)
  })
  if (report.newerUnknown !== undefined) {
    const why = `the node did not say (${report.newerUnknown})`
    session.terminal.note(printable(`note: whether another device has published since is not known: ${why}`))
  }
  return report
}

function upText(report: MountReport, isNew: boolean): string {
  const lines = [`Mounted at ${report.directory}.`]
  if (isNew) {
    const tries: readonly (readonly [string, string])[] = [
      [`cp -r ~/Documents ${report.directory}/`, 'work in it like in any folder'],
      [`${calledAs()} status`, 'what is safe, and where'],
      [`${calledAs()} sync`, 'wait until everything is published'],
      [`${calledAs()} unmount`, 'upload what is left, then leave'],
    ]
    const width = Math.max(...tries.map(([command]) => command.length))
    lines.push('', 'Try:', ...tries.map(([command, what]) => `    ${command.padEnd(width)}   ${what}`))
  }
  return printableLines(lines)
}

/**
 * Waits until the mount has ended. The first interrupt drains and unmounts. A second one, or SIGTERM, unmounts without
 * draining.
 */
async function stay(session: Session, directory: string): Promise<void> {
  let leaving: AbortController | undefined
  const leave = (now: boolean): void => {
    leaving?.abort()
    const attempt = new AbortController()
    leaving = attempt
    void ask(session, 'unmount', { directory, now }, { signal: attempt.signal }).catch((error: unknown) => {
      // A second signal came first, or another command has unmounted the drive.
      if (isDriveError(error, 'ABORTED') || isDriveError(error, 'NOT_MOUNTED')) return
      session.terminal.note(printable(`dagdrive: ${error instanceof Error ? error.message : String(error)}`))
    })
  }
  const onInterrupt = (): void => leave(leaving !== undefined)
  const onTerminate = (): void => leave(true)
  process.on('SIGINT', onInterrupt)
  process.on('SIGTERM', onTerminate)
  try {
    await ask(session, 'waitUnmounted', { directory })
  } finally {
    process.off('SIGINT', onInterrupt)
    process.off('SIGTERM', onTerminate)
  }
}
