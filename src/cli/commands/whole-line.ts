/** Command lines that messages offer: what the user typed with every option of it, and what was missing. */
import { DriveError, isDriveError, shellWord } from '../../base/index.js'

/** The options of `up`; those of `init` and `mount` are among them. */
export interface LineOptions {
  readonly adopt?: boolean
  readonly node?: string
  readonly nodeKeyFile?: string
  readonly phraseFile?: string
  readonly phraseOut?: string
  readonly passphraseFile?: string
  readonly deviceName?: string
  readonly new?: boolean
  readonly replaceEmpty?: boolean
  readonly readOnly?: boolean
  readonly allowOther?: boolean
  readonly foreground?: boolean
  readonly json?: boolean
}

const VALUES = [
  ['--node', 'node'],
  ['--node-key-file', 'nodeKeyFile'],
  ['--phrase-file', 'phraseFile'],
  ['--phrase-out', 'phraseOut'],
  ['--passphrase-file', 'passphraseFile'],
  ['--device-name', 'deviceName'],
] as const

const FLAGS = [
  ['--new', 'new'],
  ['--replace-empty', 'replaceEmpty'],
  ['--read-only', 'readOnly'],
  ['--allow-other', 'allowOther'],
  ['--foreground', 'foreground'],
  ['--json', 'json'],
] as const

/** @param directory of `up`; without one it is `init` */
export function wholeLine(directory: string | undefined, options: LineOptions): string {
  const adopt = options.adopt === true ? ' --adopt' : ''
  const words = [directory === undefined ? 'dagdrive init' : `dagdrive up${adopt} ${shellWord(directory)}`]
  for (const [name, field] of VALUES) {
    const value = options[field]
    if (value !== undefined) words.push(name, shellWord(value))
  }
  for (const [name, field] of FLAGS) if (options[field] === true) words.push(name)
  return words.join(' ')
}

/** The line that opens the same drive in another home, beside the one here. */
export function lineBeside(directory: string | undefined, options: LineOptions): string {
  const { node = 'URL', phraseFile = 'FILE' } = options
  const line = wholeLine(directory, { ...options, node, phraseFile, replaceEmpty: false })
  return `To keep it and have the other one in a home of its own: "DAGDRIVE_HOME=HOME ${line}".`
}

/** A directory with files was refused: the line that moves them into the same drive. Other errors stay as they are. */
export function withAdopt(error: unknown, directory: string | undefined, options: LineOptions): unknown {
  if (!isDriveError(error, 'NOT_EMPTY') || directory === undefined || options.adopt === true) return error
  const line = wholeLine(directory, { ...options, adopt: true })
  const remedy =
    options.readOnly === true
      ? 'With --read-only, nothing is moved into the drive: name an empty directory.'
      : `To move it into the drive: "${line}".`
  return new DriveError('NOT_EMPTY', `${error.message} ${remedy}`, { cause: error, about: error.about })
}
