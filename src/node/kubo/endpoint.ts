/**
 * Where a Kubo RPC API is, and what opens it. Credentials live in `authorization` only, never in a text that is shown.
 */
import { Agent as HttpAgent, type AgentOptions, type RequestOptions } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { rootCertificates } from 'node:tls'
import { DriveError } from '../../base/index.js'
import { guardedAgent, listenerBehind } from './listener.js'
import { isLoopback } from './loopback.js'
import type { Listener } from './socket-tables.js'

export interface Endpoint {
  /** For people: the address without credentials. */
  readonly where: string
  readonly sameMachine: boolean
  readonly secure: boolean
  /** Connection part of every request. */
  readonly target: RequestOptions
  /** In front of `/api/v0/`; empty or like `/kubo`. */
  readonly basePath: string
  readonly authorization: string | undefined
  /** Credentials cross a network in the clear. */
  readonly exposed: boolean
  /** What a node says, without our credentials: some servers repeat a request's headers in their errors. */
  readonly hide: (said: string) => string
  close(): void
}

export interface EndpointOptions {
  readonly credentials?: string | undefined
  readonly certificateAuthority?: string | undefined
  /** Who has to listen on a plain http port of this machine for the credentials to be sent there. */
  readonly listener?: Listener | undefined
}

const CONNECT_MS = 10_000
/** Sockets kept for this node; more calls than this wait for one. */
const SOCKETS = 32

/** @param url `http:`, `https:` or `unix:`; USAGE for one that holds a user name or password, or is of another form */
export function endpointOf(url: URL, options: EndpointOptions): Endpoint {
  if (url.username !== '' || url.password !== '') {
    throw new DriveError('USAGE', 'A node address holds no user name or password; give them in a key file.')
  }
  if (url.search !== '' || url.hash !== '') throw new DriveError('USAGE', 'A node address has no `?` or `#` part.')
  const authorization = authorizationOf(options.credentials)
  if (url.protocol === 'unix:') return unixEndpoint(url, authorization)
  const secure = url.protocol === 'https:'
  const agentOptions = { keepAlive: true, maxSockets: SOCKETS, scheduling: 'lifo' } as const
  const hostname = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const sameMachine = isLoopback(hostname)
  const where = url.origin + withoutSlash(url.pathname)
  const guard = authorization !== undefined && sameMachine ? options.listener : undefined
  const agent = secure
    ? new HttpsAgent({ ...agentOptions, ...trust(options.certificateAuthority) })
    : plainAgent(where, guard, agentOptions)
  return {
    where,
    sameMachine,
    secure,
    target: { protocol: url.protocol, hostname, port: url.port || (secure ? 443 : 80), agent },
    basePath: withoutSlash(url.pathname),
    authorization,
    exposed: authorization !== undefined && !secure && !sameMachine,
    hide: hiding(authorization),
    close: () => agent.destroy(),
  }
}

function plainAgent(where: string, guard: Listener | undefined, options: AgentOptions): HttpAgent {
  return guard === undefined ? new HttpAgent(options) : guardedAgent(guard, where, CONNECT_MS, options)
}

function unixEndpoint(url: URL, authorization: string | undefined): Endpoint {
  const socketPath = decodeURIComponent(url.pathname)
  if (url.host !== '' || socketPath.length < 2) {
    throw new DriveError('USAGE', 'A unix socket is given as `unix:///folder/api.sock`.')
  }
  const agent = new HttpAgent({ keepAlive: true, maxSockets: SOCKETS, scheduling: 'lifo' })
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

/**
 * Kubo compares the whole header, so the form is exact. Notation of `API.Authorizations`: see
 * OpenNodeOptions.credentials.
 */
function authorizationOf(credentials: string | undefined): string | undefined {
  const secret = credentials?.trim()
  if (secret === undefined || secret === '') return undefined
  if (/[^\x21-\x7e ]/.test(secret))
    throw new DriveError('USAGE', 'The key of the node holds characters that cannot be sent.')
  if (secret.startsWith('basic:')) {
    const basic = secret.slice('basic:'.length)
    return `Basic ${basic.includes(':') ? Buffer.from(basic).toString('base64') : basic}`
  }
  return `Bearer ${secret.startsWith('bearer:') ? secret.slice('bearer:'.length) : secret}`
}

/** The token as it is sent, and for basic credentials also what it says. */
function hiding(authorization: string | undefined): (said: string) => string {
  if (authorization === undefined) return (said) => said
  const [scheme, sent = ''] = authorization.split(/ (.*)/s)
  const said = scheme === 'Basic' ? Buffer.from(sent, 'base64').toString() : ''
  const secrets = [sent, said, said.replace(/^[^:]*:/, '')].filter((secret) => secret !== '')
  return (text) => secrets.reduce((shown, secret) => shown.replaceAll(secret, '[hidden]'), text)
}

/** Node trusts what `ca` lists and nothing else, so the well-known authorities are listed too. */
function trust(certificateAuthority: string | undefined): { ca?: string[] } {
  return certificateAuthority === undefined ? {} : { ca: [...rootCertificates, certificateAuthority] }
}

/**
 * Who listens there now, where a credential would cross a port of this machine in the clear; undefined for every other
 * address, and where this machine does not say.
 */
export async function listenerFor(url: URL): Promise<Listener | undefined> {
  const hostname = url.hostname.replace(/^\[(.*)\]$/, '$1')
  if (url.protocol !== 'http:' || !isLoopback(hostname)) return undefined
  return listenerBehind(hostname, Number(url.port || 80), CONNECT_MS)
}

function withoutSlash(path: string): string {
  return path.replace(/\/+$/, '')
}
