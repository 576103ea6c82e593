/** What went wrong on the way to a node or on it, in the codes of the node contract. */
import { DriveError, isDriveError, type DriveErrorCode } from '../../base/index.js'

/** A connection that could not be made, or broke. @param where the node's address without credentials */
export function connectionFailure(error: unknown, where: string): DriveError {
  if (isDriveError(error)) return error
  const errno = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const about = { where, ...(errno === undefined ? {} : { errno }) }
  if (errno !== undefined && /CERT|TLS|SSL|UNABLE_TO_VERIFY|SELF_SIGNED/.test(errno)) {
    return new DriveError('NODE_DENIED', 'The certificate of the node is not trusted.', { cause: error, about })
  }
  if (errno === 'EACCES' || errno === 'EPERM') {
    return new DriveError('NODE_DENIED', "The node's socket may not be opened by this user.", { cause: error, about })
  }
  return new DriveError('OFFLINE', 'The node cannot be reached.', { cause: error, about })
}

/** An answer with a status other than 2xx. @param body what the node said; JSON `{ Message }` or text */
export function refusal(status: number, body: string, command: string, where: string): DriveError {
  const said = messageOf(body)
  const about = { where, command, status, ...(said === '' ? {} : { said }) }
  if (status === 401 || status === 403) {
    return new DriveError(
      'NODE_DENIED',
      'The node refused access: the key is missing, wrong, or not allowed to do this.',
      { about },
    )
  }
  if (status === 429 || status === 502 || status === 503 || status === 504) {
    return new DriveError('NODE_BUSY', 'The node, or a server before it, is busy.', { about })
  }
  if (status === 404 || status === 405) {
    return new DriveError(
      'NODE_ERROR',
      'What answers at this address is no Kubo RPC API, or does not serve this command.',
      { about },
    )
  }
  return nodeFailure(said, about)
}

/** A failure Kubo reports in words: as status 500, as a trailer after the answer began, or inside the answer. */
export function nodeFailure(said: string, about: Readonly<Record<string, string | number>>): DriveError {
  const code = WORDS.find(([pattern]) => pattern.test(said))?.[1] ?? 'NODE_ERROR'
  return new DriveError(code, SENTENCES[code] ?? 'The node reported an error.', {
    about: { ...about, said: shorten(said) },
  })
}

const WORDS: readonly (readonly [RegExp, DriveErrorCode])[] = [
  [/no space left on device|disk quota exceeded/i, 'NO_SPACE'],
  [/mismatch in content integrity/i, 'WRONG_BLOCK'],
  [/context deadline exceeded|timed? ?out/i, 'TIMEOUT'],
  [/block was not found locally|could not find|routing: not found|record not found|not found/i, 'NOT_FOUND'],
]

const SENTENCES: Partial<Record<DriveErrorCode, string>> = {
  NO_SPACE: "The node's disk is full.",
  WRONG_BLOCK: 'The node found a block that does not match its CID.',
  TIMEOUT: 'The node did not finish in time.',
  NOT_FOUND: 'The node does not have that.',
}

function messageOf(body: string): string {
  try {
    const parsed = JSON.parse(body) as { Message?: unknown }
    return typeof parsed.Message === 'string' ? shorten(parsed.Message) : ''
  } catch {
    return shorten(body) // plain text, from Kubo's access check or a proxy
  }
}

/** One line without control characters: what a node says may end up on a terminal. */
export function shorten(text: string): string {
  const line = text.replace(/[\s\p{Cc}\p{Cf}]+/gu, ' ').trim()
  return line.length > 300 ? `${line.slice(0, 300)}…` : line
}
