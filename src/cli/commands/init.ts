/** `dagdrive init`: a new drive, or a published one from its recovery phrase. */
import type { InitReport, InitRequest } from '../../api/index.js'
import { DriveError, isDriveError, printableLines } from '../../base/index.js'
import { nodeUrlOf, requireNodeUrl } from '../../platform/index.js'
import { passphraseWarning } from '../passphrase-strength.js'
import { nodeLine, noteWarnings } from '../report.js'
import { claimSecretOutput, readPhraseFile, readSecretFile } from '../secret-file.js'
import { ask, driveExists, show, type Session } from '../session.js'
import { lineBeside, wholeLine, withAdopt } from './whole-line.js'

export interface InitOptions {
  readonly node?: string
  readonly nodeKeyFile?: string
  readonly phraseFile?: string
  readonly phraseOut?: string
  readonly new?: boolean
  readonly replaceEmpty?: boolean
  readonly passphraseFile?: string
  readonly deviceName?: string
  /** Only of `up`. */
  readonly adopt?: boolean
  readonly json?: boolean
}

export async function init(session: Session, options: InitOptions): Promise<void> {
  const report = await makeDrive(session, options)
  show(session, options.json, shownReport(report, options), initText(report, options))
}

/**
 * Runs `init` and returns its report. With `--phrase-out`, the phrase is in that file when this resolves.
 * @param mountAt where the drive will be mounted; if it cannot be, no drive is made
 */
export async function makeDrive(session: Session, options: InitOptions, mountAt?: string): Promise<InitReport> {
  // With a phrase and `--new` the daemon decides, because the data of this home's drive may be lost.
  if ((await driveExists(session)) && !isForNew(options) && options.replaceEmpty !== true) {
    throw new DriveError(
      'DRIVE_EXISTS',
      `This home already has a drive (${session.paths.keyFile}). Nothing was changed.`,
    )
  }
  if (options.phraseFile !== undefined && options.phraseOut !== undefined) {
    throw new DriveError('USAGE', '--phrase-out writes a newly made phrase, so it cannot be used with --phrase-file.')
  }
  if (options.new === true && options.phraseFile === undefined) {
    throw new DriveError('USAGE', '--new requires --phrase-file. Without a given phrase, the drive is always new.')
  }
  if (options.replaceEmpty === true && (options.phraseFile === undefined || options.new === true)) {
    throw new DriveError('USAGE', '--replace-empty opens a published drive: it needs --phrase-file, without --new.')
  }
  // Before the address is quoted in a message.
  if (options.node !== undefined) requireNodeUrl(nodeUrlOf(options.node))
  const request = await readRequest(session, options)
  const output = options.phraseOut === undefined ? undefined : await claimSecretOutput(options.phraseOut)
  let report: InitReport
  const interrupt = new AbortController()
  const onInterrupt = (): void => interrupt.abort()
  process.once('SIGINT', onInterrupt)
  try {
    const given = mountAt === undefined ? request : { ...request, mountAt, adopt: options.adopt === true }
    report = await ask(session, 'init', given, { signal: interrupt.signal })
  } catch (error) {
    await output?.discard()
    const isMade = options.phraseFile === undefined && (await driveExists(session))
    if (isMade)
      session.terminal.note('note: the drive was made before this failure; "dagdrive key show" shows its phrase')
    throw withAdopt(withLine(error, mountAt, options), mountAt, options)
  } finally {
    process.off('SIGINT', onInterrupt)
  }
  if (report.phrase !== undefined) await output?.write(report.phrase)
  noteWarnings(session, report.node)
  return report
}

/** A phrase was given without its node, or a drive cannot be replaced: the command to use. */
function withLine(error: unknown, mountAt: string | undefined, options: InitOptions): unknown {
  const { node, phraseFile = 'FILE', replaceEmpty } = options
  if (isDriveError(error, 'NO_DRIVE') && node === undefined) {
    const line = wholeLine(mountAt, { ...options, node: 'URL', phraseFile })
    return new DriveError('NO_DRIVE', `${error.message} The whole command: "${line}".`, { about: error.about })
  }
  if (!isDriveError(error, 'DRIVE_EXISTS') || replaceEmpty !== true) return error
  return new DriveError('DRIVE_EXISTS', `${error.message} ${lineBeside(mountAt, options)}`, { about: error.about })
}

/** Whether the user requests a new, empty drive with a given phrase. */
export function isForNew(options: InitOptions): boolean {
  return options.new === true && options.phraseFile !== undefined
}

async function readRequest(session: Session, options: InitOptions): Promise<InitRequest> {
  const secret = async (file: string | undefined, what: string): Promise<string | undefined> =>
    file === undefined ? undefined : readSecretFile(file, what, session.terminal)
  const [nodeKey, phrase, passphrase] = [
    await secret(options.nodeKeyFile, 'node key'),
    options.phraseFile === undefined ? undefined : await readPhraseFile(options.phraseFile, session.terminal),
    await secret(options.passphraseFile, 'passphrase'),
  ]
  const warning = passphrase === undefined ? undefined : passphraseWarning(passphrase)
  if (warning !== undefined) session.terminal.note(warning)
  return {
    ...(options.deviceName === undefined ? {} : { deviceName: options.deviceName }),
    ...(options.node === undefined ? {} : { nodeUrl: options.node }),
    ...(nodeKey === undefined ? {} : { nodeKey }),
    ...(phrase === undefined ? {} : { phrase }),
    ...(options.new === undefined ? {} : { isNew: options.new }),
    ...(options.replaceEmpty === undefined ? {} : { replaceEmpty: options.replaceEmpty }),
    ...(passphrase === undefined ? {} : { passphrase }),
  }
}

/** The report as printed. A phrase that was written to a file is not shown. */
export function shownReport(report: InitReport, options: InitOptions): InitReport {
  return options.phraseOut === undefined ? report : { ...report, phrase: undefined }
}

export function initText(report: InitReport, options: InitOptions): string {
  const lines =
    report.outcome === 'opened'
      ? [`Opened the published drive, version ${report.publishedHeight}.`]
      : [options.phraseFile === undefined ? 'Made a new drive.' : 'Made a new, empty drive with the given phrase.']
  lines.push(nodeLine(report.node))
  if (report.replaced !== undefined)
    lines.push(`The empty drive that was here before, with its key, is in ${report.replaced}. You may delete it.`)
  if (options.phraseOut !== undefined) {
    lines.push(`The recovery phrase is in ${options.phraseOut}. Keep it away from this machine.`)
  } else if (report.phrase !== undefined) {
    lines.push('', 'Your recovery phrase. Write it down now. Anyone who has it can open the drive:', '')
    lines.push(...phraseLines(report.phrase), '', 'See it again with "dagdrive key show".')
  }
  return printableLines(lines)
}

/** Numbered, four words per line. `readPhraseFile` accepts the numbers. */
export function phraseLines(phrase: string): string[] {
  const words = phrase.split(' ').map((word, index) => `${String(index + 1).padStart(2)} ${word.padEnd(8)}`)
  const lines: string[] = []
  for (let at = 0; at < words.length; at += 4)
    lines.push(
      `    ${words
        .slice(at, at + 4)
        .join('  ')
        .trimEnd()}`,
    )
  return lines
}
