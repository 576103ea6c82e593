/**
 * Calls to the Kubo RPC API over node:http: keep-alive and unix sockets, streamed bodies with back-pressure, limits for
 * every call (call-limits.ts), and the trailer in which Kubo reports failures after a response has begun.
 * https://docs.ipfs.tech/reference/kubo/rpc/
 */
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { aborted, DriveError, throwIfAborted } from '../../base/index.js'
import type { NodeTimeouts } from '../open-options.js'
import { RpcAnswer } from './answer.js'
import { limitsOf, MOST_INTERIM, type Command } from './call-limits.js'
import type { Endpoint } from './endpoint.js'
import { connectionFailure } from './failures.js'
import { sendBody, type Body } from './send-body.js'
import { SendPatience } from './send-patience.js'

export type Query = Readonly<Record<string, string | number | boolean | readonly string[]>>

export interface RpcOptions {
  readonly query?: Query | undefined
  readonly signal?: AbortSignal | undefined
  /** The search time that the request gives to the node. It is added to the limits. */
  readonly lookMs?: number | undefined
  readonly body?: Body | undefined
}

export class KuboRpc {
  readonly endpoint: Endpoint
  readonly timeouts: NodeTimeouts
  readonly #userAgent: string
  #closed = false

  constructor(endpoint: Endpoint, timeouts: NodeTimeouts, version: string | undefined) {
    this.endpoint = endpoint
    this.timeouts = timeouts
    // Kubo compares versions with agents named kubo or go-ipfs; this name is different.
    this.#userAgent = `dagdrive/${version ?? '0'}`
  }

  /** @returns a response with status 2xx; the caller reads it to its end. Other statuses throw. */
  async call(command: Command, options: RpcOptions = {}): Promise<RpcAnswer> {
    throwIfAborted(options.signal)
    if (this.#closed)
      throw new DriveError('OFFLINE', 'The connection to the node is closed.', {
        about: { where: this.endpoint.where },
      })
    for (;;) {
      try {
        return await this.#once(command, options)
      } catch (error) {
        // After a restart of the node every idle connection is stale. Each attempt uses one of them up, until a new one
        // is made.
        if (!(error instanceof StaleConnection)) throw error
      }
    }
  }

  close(): void {
    this.#closed = true
    this.endpoint.close()
  }

  async #once(command: Command, options: RpcOptions): Promise<RpcAnswer> {
    const { signal, body } = options
    const { where } = this.endpoint
    const { idleMs, totalMs, answerBytes, answerLines } = limitsOf(command, this.timeouts, options.lookMs)
    const request = this.#open(command, options)
    let bodyBegun = false
    let gaveUp: DriveError | undefined
    // A separate promise: a request whose socket is already gone emits no more events.
    let rejectGivenUp: (reason: DriveError) => void = () => undefined
    const givenUp = new Promise<never>((_, reject) => (rejectGivenUp = reject))
    givenUp.catch(() => undefined) // the caller that waits gets the error
    const giveUp = (reason: DriveError): void => {
      gaveUp ??= reason
      rejectGivenUp(reason)
      request.destroy(reason)
    }
    const onAbort = (): void => giveUp(aborted(signal))
    signal?.addEventListener('abort', onAbort, { once: true })
    const slow = (): void => giveUp(tooSlow(where, command, totalMs))
    let deadline = body?.waitsForContinue === true ? undefined : setTimeout(slow, totalMs)
    const release = (): void => {
      signal?.removeEventListener('abort', onAbort)
      clearTimeout(deadline)
    }
    request.setTimeout(idleMs, () => giveUp(silent(where, command, idleMs)))
    this.#limitConnecting(request, giveUp)
    this.#limitInterim(request, command, giveUp)
    try {
      const answered = Promise.race([this.#response(request), givenUp])
      answered.catch(() => undefined) // as above
      if (body === undefined) request.end()
      else {
        const patience = new SendPatience(this.timeouts.workMs, slow)
        const sent = sendBody(request, body, answered, { onBegin: () => (bodyBegun = true), patience })
        await Promise.race([sent, givenUp])
      }
      deadline ??= setTimeout(slow, totalMs)
      const answer = new RpcAnswer(await answered, {
        command,
        where,
        argument: argumentOf(options.query),
        answerBytes,
        answerLines,
        gaveUp: () => gaveUp,
        hide: this.endpoint.hide,
        release,
      })
      await answer.throwIfRefused()
      return answer
    } catch (error) {
      release()
      request.destroy()
      if (gaveUp === undefined && request.reusedSocket && !bodyBegun && isReset(error)) throw new StaleConnection()
      throw gaveUp ?? body?.failure() ?? connectionFailure(error, where)
    }
  }

  #open(command: string, { query, body }: RpcOptions): ClientRequest {
    const { endpoint } = this
    const headers: Record<string, string | number> = { 'user-agent': this.#userAgent, host: hostOf(endpoint) }
    if (endpoint.authorization !== undefined) headers['authorization'] = endpoint.authorization
    if (body === undefined) headers['content-length'] = 0
    else Object.assign(headers, body.headers)
    const send = endpoint.secure ? httpsRequest : httpRequest
    return send({
      ...endpoint.target,
      method: 'POST',
      path: `${endpoint.basePath}/api/v0/${command}${queryText(query)}`,
      headers,
    })
  }

  /** Connecting has its own, shorter time-out. */
  #limitConnecting(request: ClientRequest, giveUp: (reason: DriveError) => void): void {
    const { connectMs } = this.timeouts
    request.once('socket', (socket) => {
      if (!socket.connecting) return
      const about = { where: this.endpoint.where, waitedMs: connectMs }
      const timer = setTimeout(
        () => giveUp(new DriveError('OFFLINE', 'The node cannot be reached.', { about })),
        connectMs,
      )
      const done = (): void => clearTimeout(timer)
      socket.once(this.endpoint.secure ? 'secureConnect' : 'connect', done)
      request.once('close', done)
    })
  }

  /** Interim responses count as progress of the connection, so only their number can end the call early. */
  #limitInterim(request: ClientRequest, command: Command, giveUp: (reason: DriveError) => void): void {
    let count = 0
    request.on('information', () => {
      if (++count > MOST_INTERIM) giveUp(tooManyInterim(this.endpoint.where, command))
    })
  }

  #response(request: ClientRequest): Promise<IncomingMessage> {
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve)
      request.on('error', reject)
      request.once('close', () => reject(new Error('the connection was closed')))
    })
    // The caller awaits it and gets the failure. If the body fails first, it must not be an unhandled rejection.
    answered.catch(() => undefined)
    return answered
  }
}

/** The node had closed a keep-alive connection. The call was not executed, so a retry is safe. */
class StaleConnection extends Error {}

function silent(where: string, command: string, waitedMs: number): DriveError {
  return new DriveError('TIMEOUT', 'The node sent no data within the time limit.', {
    about: { where, command, waitedMs },
  })
}

function tooSlow(where: string, command: string, waitedMs: number): DriveError {
  return new DriveError('TIMEOUT', 'The node did not complete its response within the time limit.', {
    about: { where, command, waitedMs },
  })
}

function tooManyInterim(where: string, command: string): DriveError {
  return new DriveError('NODE_ERROR', 'The node sends interim responses without end.', { about: { where, command } })
}

function isReset(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
}

function hostOf({ target }: Endpoint): string {
  if (typeof target.hostname !== 'string') return 'localhost'
  const host = target.hostname.includes(':') ? `[${target.hostname}]` : target.hostname
  return `${host}:${String(target.port)}`
}

/** The CID or name in the request, if it has exactly one. */
function argumentOf(query: Query | undefined): string | undefined {
  const argument = query?.['arg']
  return typeof argument === 'string' ? argument : undefined
}

function queryText(query: Query | undefined): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const one of Array.isArray(value) ? (value as readonly string[]) : [value])
      parameters.append(name, String(one))
  }
  const text = parameters.toString()
  return text === '' ? '' : `?${text}`
}
