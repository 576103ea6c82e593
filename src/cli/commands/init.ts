/** `dagdrive init`: a new drive, or a published one from its recovery phrase. */
import { hostname } from 'node:os'
import type { InitReport, InitRequest } from '../../api/index.js'
import { DriveError, printableLines } from '../../base/index.js'
import { passphraseWarning } from '../passphrase-strength.js'
import { nodeLine, noteWarnings } from '../report.js'
import { claimSecretOutput, readSecretFile } from '../secret-file.js'
import { ask, driveExists, show, type Session } from '../session.js'

export interface InitOptions {
  readonly node?: string
  readonly nodeKeyFile?: string
  readonly phraseFile?: string
  readonly phraseOut?: string
  readonly new?: boolean
  readonly passphraseFile?: string
  readonly deviceName?: string
  readonly json?: boolean
}

export async function init(session: Session, options: InitOptions): Promise<void> {
  const report = await makeDrive(session, options)
  show(session, options.json, shownReport(report, options), initText(report, options))
}

/** Does `init` and returns what happened; the phrase is in `--phrase-out` by then, when that was asked for. */
export async function makeDrive(session: Session, options: InitOptions): Promise<InitReport> {
  // With a phrase and `--new` the daemon decides: the data of the drive here may be gone.
  if ((await driveExists(session)) && !isForNew(options)) {
    throw new DriveError(
      'DRIVE_EXISTS',
      `There is a drive here already, ${session.paths.keyFile}; nothing was changed.`,
    )
  }
  if (options.phraseFile !== undefined && options.phraseOut !== undefined) {
    throw new DriveError('USAGE', '--phrase-out is for a new phrase; with --phrase-file there is none.')
  }
  if (options.new === true && options.phraseFile === undefined) {
    throw new DriveError('USAGE', '--new is for a phrase that is given; without --phrase-file every drive is new.')
  }
  const request = await readRequest(session, options)
  const output = options.phraseOut === undefined ? undefined : await claimSecretOutput(options.phraseOut)
  let report: InitReport
  const interrupt = new AbortController()
  const onInterrupt = (): void => interrupt.abort()
  process.once('SIGINT', onInterrupt)
  try {
    report = await ask(session, 'init', request, { signal: interrupt.signal })
  } catch (error) {
    await output?.discard()
    if (interrupt.signal.aborted)
      session.terminal.note('note: if the drive was made by then, "dagdrive key show" shows its phrase')
    throw error
  } finally {
    process.off('SIGINT', onInterrupt)
  }
  if (report.phrase !== undefined) await output?.write(report.phrase)
  noteWarnings(session, report.node)
  return report
}

/** An empty drive is asked for, with a phrase. */
export function isForNew(options: InitOptions): boolean {
  return options.new === true && options.phraseFile !== undefined
}

async function readRequest(session: Session, options: InitOptions): Promise<InitRequest> {
  const secret = async (file: string | undefined, what: string): Promise<string | undefined> =>
    file === undefined ? undefined : readSecretFile(file, what, session.terminal)
  const [nodeKey, phrase, passphrase] = [
    await secret(options.nodeKeyFile, 'node key'),
    await secret(options.phraseFile, 'recovery phrase'),
    await secret(options.passphraseFile, 'passphrase'),
  ]
  const warning = passphrase === undefined ? undefined : passphraseWarning(passphrase)
  if (warning !== undefined) session.terminal.note(warning)
  return {
    deviceName: options.deviceName ?? hostname(),
    ...(options.node === undefined ? {} : { nodeUrl: options.node }),
    ...(nodeKey === undefined ? {} : { nodeKey }),
    ...(phrase === undefined ? {} : { phrase }),
    ...(options.new === undefined ? {} : { isNew: options.new }),
    ...(passphrase === undefined ? {} : { passphrase }),
  }
}

/** The report as printed: a phrase that went to a file is not shown again. */
export function shownReport(report: InitReport, options: InitOptions): InitReport {
  return options.phraseOut === undefined ? report : { ...report, phrase: undefined }
}

export function initText(report: InitReport, options: InitOptions): string {
  const lines =
    report.outcome === 'opened'
      ? [`Opened the published drive, version ${report.publishedHeight}.`]
      : [options.phraseFile === undefined ? 'Made a new drive.' : 'Made a new, empty drive with the given phrase.']
  lines.push(nodeLine(report.node))
  if (options.phraseOut !== undefined) {
    lines.push(`The recovery phrase is in ${options.phraseOut}. Keep it away from this machine.`)
  } else if (report.phrase !== undefined) {
    lines.push('', 'Your recovery phrase. Write it down now; whoever has it has the drive:', '')
    lines.push(...phraseLines(report.phrase), '', 'See it again with "dagdrive key show".')
  }
  return printableLines(lines)
}

/** Six words a line. */
export function phraseLines(phrase: string): string[] {
  const words = phrase.split(' ')
  const lines: string[] = []
  for (let at = 0; at < words.length; at += 6) lines.push(`    ${words.slice(at, at + 6).join(' ')}`)
  return lines
}
