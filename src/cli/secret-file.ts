/** Secrets come from files or a prompt and go to files; never through arguments or the environment. */
import { open, stat, unlink, type FileHandle } from 'node:fs/promises'
import { diskFailure, DriveError, KIB, shellWord } from '../base/index.js'
import type { Terminal } from './terminal.js'

const MOST_BYTES = 64 * KIB

/** The file's first line without its end; `-` reads standard input. Warns when others can read the file. */
export async function readSecretFile(path: string, what: string, terminal: Terminal): Promise<string> {
  const secret = (await readText(path, what, terminal)).replace(/\r?\n[\s\S]*$/, '')
  if (secret === '') throw new DriveError('USAGE', `${path} holds no ${what}.`)
  return secret
}

/** The phrase on one line, or on several with numbered words, as it is shown. `-` reads standard input. */
export async function readPhraseFile(path: string, terminal: Terminal): Promise<string> {
  const text = await readText(path, 'recovery phrase', terminal)
  const words = text.split(/[\s.:)]+/).filter((word) => word !== '' && !/^\d+$/.test(word))
  if (words.length === 0) throw new DriveError('USAGE', `${path} holds no recovery phrase.`)
  return words.join(' ')
}

const REASONS: Readonly<Record<string, string>> = {
  EISDIR: 'it is a directory',
  ENOENT: 'there is no such file',
  EACCES: 'this user may not read it',
}

async function readText(path: string, what: string, terminal: Terminal): Promise<string> {
  if (path === '') throw new DriveError('USAGE', `The name of the file with the ${what} is empty.`)
  try {
    if (path !== '-') await checkSource(path, terminal)
    return await readShort(path === '-' ? '/dev/stdin' : path)
  } catch (error) {
    const why = REASONS[(error as NodeJS.ErrnoException).code ?? '']
    throw new DriveError('USAGE', `The ${what} could not be read from ${path}${why === undefined ? '' : `: ${why}`}.`, {
      cause: error,
    })
  }
}

async function checkSource(path: string, terminal: Terminal): Promise<void> {
  const found = await stat(path)
  if (found.isDirectory()) throw Object.assign(new Error('Is a directory'), { code: 'EISDIR' })
  if ((found.mode & 0o077) === 0) return
  terminal.note(`warning: other users may read ${path}; run: chmod 600 ${shellWord(path)}`)
}

/** Reads to the end, also from a pipe. A file longer than any secret, such as an endless device, is an error. */
async function readShort(path: string): Promise<string> {
  const file = await open(path, 'r')
  try {
    const bytes = Buffer.alloc(MOST_BYTES)
    for (let done = 0; ;) {
      const { bytesRead } = await file.read(bytes, done, bytes.length - done, null)
      done += bytesRead
      if (bytesRead === 0) return bytes.toString('utf8', 0, done)
      if (done === bytes.length) throw new DriveError('INVALID', 'The file is longer than any secret.')
    }
  } finally {
    await file.close()
  }
}

/** A file for a new secret. It is created before the secret is made, so the secret cannot be lost. */
export interface SecretOutput {
  write(secret: string): Promise<void>
  /** Removes the file, because no secret was made. */
  discard(): Promise<void>
}

/** EXISTS when the file already exists: a phrase is never overwritten. */
export async function claimSecretOutput(path: string): Promise<SecretOutput> {
  let file: FileHandle
  try {
    file = await open(path, 'wx', 0o600)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') throw new DriveError('EXISTS', `${path} exists; it is not overwritten.`, { cause: error })
    const why = code === 'ENOENT' ? 'its folder does not exist' : (code ?? 'unknown error')
    throw diskFailure(error) ?? new DriveError('USAGE', `${path} could not be made: ${why}.`, { cause: error })
  }
  return {
    async write(secret) {
      await file.writeFile(`${secret}\n`)
      await file.sync()
      await file.close()
    },
    async discard() {
      await file.close()
      await unlink(path)
    },
  }
}
