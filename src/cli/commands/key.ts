/** `dagdrive key show` and `dagdrive key verify`. */
import { DriveError, printable, printableLines } from '../../base/index.js'
import { EXIT_STATUS } from '../exit-status.js'
import { claimSecretOutput, readPhraseFile } from '../secret-file.js'
import { ask, requireOpenDrive, show, type Session, type UnlockOptions } from '../session.js'
import { phraseLines } from './init.js'

interface KeyOptions extends UnlockOptions {
  readonly json?: boolean
}

export async function keyShow(session: Session, options: KeyOptions & { readonly phraseOut?: string }): Promise<void> {
  await requireOpenDrive(session, options)
  const output = options.phraseOut === undefined ? undefined : await claimSecretOutput(options.phraseOut)
  try {
    const { phrase } = await ask(session, 'keyShow', {})
    if (output === undefined) return show(session, options.json, { phrase }, printableLines(phraseLines(phrase)))
    await output.write(phrase)
  } catch (error) {
    await output?.discard()
    throw error
  }
  show(
    session,
    options.json,
    { phraseFile: options.phraseOut },
    printable(`The recovery phrase is in ${options.phraseOut}.`),
  )
}

export async function keyVerify(
  session: Session,
  options: KeyOptions & { readonly phraseFile?: string },
): Promise<void> {
  await requireOpenDrive(session, options)
  const phrase =
    options.phraseFile === undefined
      ? await session.terminal.askSecret(
          'Recovery phrase: ',
          new DriveError('USAGE', 'Give the phrase with --phrase-file, or run the command at a terminal.'),
        )
      : await readPhraseFile(options.phraseFile, session.terminal)
  const answer = await ask(session, 'keyVerify', { phrase })
  show(
    session,
    options.json,
    answer,
    answer.matches ? 'The phrase opens this drive.' : 'The phrase belongs to another drive.',
  )
  if (!answer.matches) session.status = EXIT_STATUS.WRONG_KEY
}
