/**
 * The address of a Kubo RPC API, and the credentials for it. Credentials are only in `authorization`, never in
 * displayed text.
 */
import { Agent as HttpAgent, type AgentOptions, type RequestOptions } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { rootCertificates } from 'node:tls'
import { DriveError } from '../../base/index.js'
import { guardedAgent, listenerBehind } from './listener.js'
import type { Listener } from './socket-tables.js'
import { isOwnHost } from './this-machine.js'
import { OwnedSocketAgent, ownerOfSocket } from './unix-socket.js'
import { hiding } from '../words.js'

export interface Endpoint {
  /** The address without credentials, for display. */
  readonly where: string
  readonly sameMachine: boolean
  readonly secure: boolean
  /** The connection options of every request. */
  readonly target: RequestOptions
  /** The path before `/api/v0/`; empty or like `/kubo`. */
  readonly basePath: string
  readonly authorization: string | undefined
  /** Credentials are sent unencrypted over a network. */
  readonly exposed: boolean
  /** Removes credentials, ours first, from a node's message: some servers repeat the headers of a request. */
  readonly hide: (said: string) => string
  close(): void
}

export interface EndpointOptions {
  readonly credentials?: string | undefined
  readonly certificateAuthority?: string | undefined
  /**
   * For a plain http port of this machine: the required listener; for a unix socket: its required owner. Otherwise the
   * credentials are not sent.
   */
  readonly listener?: Listener | undefined
}

const CONNECT_MS = 10_000
/** Maximum sockets to this node; further calls wait for a free one. */
const SOCKETS = 32

/** @param url `http:`, `https:` or `unix:`; USAGE if it holds a user name or password, or has another form */
export function endpointOf(url: URL, options: EndpointOptions): Endpoint {
  if (url.username !== '' || url.password !== '') {
    throw new DriveError('USAGE', 'A node address must not hold a user name or password. Put them into a key file.')
  }
  if (url.search !== '' || url.hash !== '')
    throw new DriveError('USAGE', 'A node address must not have a `?` or `#` part.')
  const authorization = authorizationOf(options.credentials)
  if (url.protocol === 'unix:') return unixEndpoint(url, authorization, options.listener)
  const secure = url.protocol === 'https:'
  const agentOptions = { keepAlive: true, maxSockets: SOCKETS, scheduling: 'lifo' } as const
  const hostname = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const where = url.origin + withoutSlash(url.pathname)
  // A recorded listener is required also if the address has moved to another machine since: the key is then withheld.
  const guard = authorization === undefined ? undefined : options.listener
  const agent = secure
    ? new HttpsAgent({ ...agentOptions, ...trust(options.certificateAuthority) })
    : plainAgent(where, guard, agentOptions)
  return {
    where,
    get sameMachine() {
      return isOwnHost(hostname)
    },
    secure,
    target: { protocol: url.protocol, hostname, port: url.port || (secure ? 443 : 80), agent },
    basePath: withoutSlash(url.pathname),
    authorization,
    exposed: authorization !== undefined && !secure && guard === undefined && !isOwnHost(hostname),
    hide: hiding(authorization),
    close: () => agent.destroy(),
  }
}

function plainAgent(where: string, guard: Listener | undefined, options: AgentOptions): HttpAgent {
  return guard === undefined ? new HttpAgent(options) : guardedAgent(guard, where, CONNECT_MS, options)
}

function unixEndpoint(url: URL, authorization: string | undefined, owner: Listener | undefined): Endpoint {
  const socketPath = socketPathOf(url)
  const options = { keepAlive: true, maxSockets: SOCKETS, scheduling: 'lifo' } as const
  const agent =
    authorization === undefined || owner === undefined
      ? new HttpAgent(options)
      : new OwnedSocketAgent(socketPath, owner, CONNECT_MS, options)
  return {
    where: `unix://${socketPath}`,
    sameMachine: true,
    secure: false,
    target: { protocol: 'http:', socketPath, agent },
    basePath: '',
    authorization,
    exposed: false,
    hide: hiding(authorization),
    close: () => agent.destroy(),
  }
}

function socketPathOf(url: URL): string {
  const path = decodeURIComponent(url.pathname)
  if (url.host === '' && path.length >= 2) return path
  throw new DriveError('USAGE', 'The form of a unix socket address is `unix:///folder/api.sock`.')
}

/**
 * Kubo compares the whole header, so the form is exact. Notation of `API.Authorizations`: see
 * OpenNodeOptions.credentials. The prefix is required, so that no other secret is sent by mistake, such as a phrase.
 */
/** The header that a node is sent; undefined without credentials. @throws USAGE if it cannot be sent */
export function authorizationOf(credentials: string | undefined): string | undefined {
  const secret = credentials?.trim()
  if (secret === undefined || secret === '') return undefined
  if (/[^\x21-\x7e ]/.test(secret))
    throw new DriveError('USAGE', 'The node key has characters that cannot be sent in an HTTP header.')
  if (secret.startsWith('basic:')) {
    const basic = secret.slice('basic:'.length)
    return `Basic ${basic.includes(':') ? Buffer.from(basic).toString('base64') : basic}`
  }
  if (secret.startsWith('bearer:')) return `Bearer ${secret.slice('bearer:'.length)}`
  throw new DriveError(
    'USAGE',
    'The node key must begin with `bearer:` or `basic:`, as in API.Authorizations of Kubo. It was not sent.',
  )
}

/** Node.js trusts only the authorities in `ca`, so the well-known ones are added. */
function trust(certificateAuthority: string | undefined): { ca?: string[] } {
  return certificateAuthority === undefined ? {} : { ca: [...rootCertificates, certificateAuthority] }
}

/**
 * The current listener of a plain http port of this machine, or the owner of a unix socket. Undefined for every other
 * address, and where the system does not report listeners.
 */
export async function listenerFor(url: URL): Promise<Listener | undefined> {
  if (url.protocol === 'unix:') return ownerOfSocket(socketPathOf(url))
  const hostname = url.hostname.replace(/^\[(.*)\]$/, '$1')
  if (url.protocol !== 'http:' || !isOwnHost(hostname)) return undefined
  return listenerBehind(hostname, Number(url.port || 80), CONNECT_MS)
}

function withoutSlash(path: string): string {
  return path.replace(/\/+$/, '')
}
