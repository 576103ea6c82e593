/** Converts failures of the connection and of the node to the error codes of the node contract. */
import { DriveError, isDriveError, type DriveErrorCode } from '../../base/index.js'
import { shorten, withWords } from '../words.js'

/** A connection that failed or broke. @param where the node's address without credentials */
export function connectionFailure(error: unknown, where: string): DriveError {
  if (isDriveError(error)) return error
  const errno = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const about = { where, ...(errno === undefined ? {} : { errno }) }
  if (errno !== undefined && /CERT|TLS|SSL|UNABLE_TO_VERIFY|SELF_SIGNED/.test(errno)) {
    return new DriveError('NODE_DENIED', 'The certificate of the node is not trusted.', { cause: error, about })
  }
  if (errno === 'EACCES' || errno === 'EPERM') {
    return new DriveError('NODE_DENIED', "This user has no permission to open the node's socket.", {
      cause: error,
      about,
    })
  }
  return new DriveError('OFFLINE', REASONS[errno ?? ''] ?? 'The node cannot be reached.', { cause: error, about })
}

/** By the system's error code. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'The node cannot be reached. Is the Kubo daemon running there?',
  ENOENT: 'The socket of the node does not exist. Is the Kubo daemon running there?',
  ENOTFOUND: 'The host name of the node is not known.',
  EAI_AGAIN: 'The host name of the node cannot be looked up now.',
}

/** The failed call. */
export interface FailedCall {
  readonly command: string
  readonly where: string
  /** The CID or name in the request, if it has exactly one. */
  readonly argument: string | undefined
  /** Removes credentials from the node's messages, before anything of them is cut or stored. */
  readonly hide: (said: string) => string
}

/**
 * A response with a status other than 2xx. Only status 500 with Kubo's own JSON is a message of Kubo (`said` in the
 * error). Any other text (`heard`) is only displayed.
 * @param body the response body
 */
export function refusal(status: number, body: string, call: FailedCall): DriveError {
  const said = status === 500 ? wordsOfKubo(body) : undefined
  if (said !== undefined) return nodeFailure(said, call, status)
  const heard = shorten(call.hide(body))
  const { command, where } = call
  const about = { where, command, status, ...(heard === '' ? {} : { heard }) }
  if (status === 401 || status === 403) {
    return new DriveError(
      'NODE_DENIED',
      withWords(`The node refused access: the node key is missing or wrong, or does not allow ${command}.`, heard),
      { about },
    )
  }
  if (status === 429 || status === 502 || status === 503 || status === 504) {
    return new DriveError('NODE_BUSY', withWords('The node, or a proxy before it, is busy.', heard), { about })
  }
  if (status === 404 || status === 405) {
    return new DriveError(
      'NODE_ERROR',
      withWords(`The server at this address is not a Kubo RPC API, or does not support ${command}.`, heard),
      { about },
    )
  }
  return new DriveError('NODE_ERROR', withWords(`The node failed in ${command}, with status ${status}.`, heard), {
    about,
  })
}

/** A failure with a message of Kubo: as status 500, or in the trailer after the response began. */
export function nodeFailure(words: string, call: FailedCall, status?: number): DriveError {
  const said = shorten(call.hide(words))
  const exact = shorten(words)
  const code = codeOf(exact, call) ?? 'NODE_ERROR'
  const { where, command } = call
  const error = new DriveError(code, SENTENCES[code] ?? withWords(`The node failed in ${command}.`, said), {
    about: { where, command, ...(status === undefined ? {} : { status }), said },
  })
  exactWords.set(error, exact)
  return error
}

/** Kubo's exact messages. Compared, never shown: a key that resembles a message must not change its meaning. */
const exactWords = new WeakMap<DriveError, string>()

/** Kubo's own message in a failure, only to be compared; empty for other failures. */
export function saidBy(error: unknown): string {
  return isDriveError(error) ? (exactWords.get(error) ?? '') : ''
}

/**
 * A wrong "not found" would make a full drive look empty. So these are Kubo's exact messages per command, as recorded
 * on 0.40 and 0.43, online and offline, with every kind of routing.
 */
function codeOf(said: string, { command, argument }: FailedCall): DriveErrorCode | undefined {
  if (/^(?:pin: )?context deadline exceeded$/.test(said)) return 'TIMEOUT'
  if (command === 'name/get') return said === 'routing: not found' ? 'NOT_FOUND' : undefined
  const absent = /^(?:pin: )?block was not found locally \(offline\): ipld: could not find (\w+)$/.exec(said)?.[1]
  if (absent !== undefined && (PINNING.has(command) || absent === argument)) return 'NOT_FOUND'
  if (/no space left on device|disk quota exceeded/i.test(said)) return 'NO_SPACE'
  if (/mismatch in content integrity/i.test(said)) return 'WRONG_BLOCK'
  return undefined
}

/** These messages contain the CID of the missing block. */
const PINNING: ReadonlySet<string> = new Set(['pin/add', 'pin/update'])

const SENTENCES: Partial<Record<DriveErrorCode, string>> = {
  NO_SPACE: "The node's disk is full.",
  WRONG_BLOCK: 'The node found a block that does not match its CID.',
  TIMEOUT: 'The node did not finish in time.',
  NOT_FOUND: 'The node does not have the requested item.',
}

function wordsOfKubo(body: string): string | undefined {
  try {
    const parsed = JSON.parse(body) as { Message?: unknown; Type?: unknown } | null
    return parsed?.Type === 'error' && typeof parsed.Message === 'string' ? parsed.Message : undefined
  } catch {
    return undefined // plain text, from Kubo's access check or a proxy
  }
}
