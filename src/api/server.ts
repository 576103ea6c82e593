/**
 * Serves a `ControlService` over HTTP on a unix socket of mode 0600: any process that can open the socket can command
 * the daemon. The caller holds the home's lock, so an existing socket file is stale and is removed.
 */
import { chmod, unlink } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { DriveError, jsonLine, MIB, toWire, type Log } from '../base/index.js'
import type { Files } from '../files/client.js'
import { FILES_PREFIX, filesOperation, receiveContent, sendContent } from './files-routes.js'
import { checkRequest } from './check-request.js'
import { HTTP_STATUS } from './http-status.js'
import { CONTROL_REQUESTS, OPERATION_NAMES } from './requests.js'
import { socketAddress } from './socket-address.js'
import { type ControlService, type OperationName, type WireLine } from './wire.js'

const MOST_BODY_BYTES = MIB

export interface ControlServer {
  /** Number of requests in progress. */
  readonly active: number
  /** Stops listening, waits `graceMs` for running requests, then aborts them. Removes the socket file. */
  close(graceMs: number): Promise<void>
}

export interface ControlServerOptions {
  readonly path: string
  readonly service: ControlService
  /** The open drive's files; NO_DRIVE or LOCKED without one. Absent: files are not served. */
  readonly files?: () => Promise<Files>
  readonly log: Log
  /** Called after each answered request. */
  readonly onAnswered?: () => void
}

export async function serveControl(options: ControlServerOptions): Promise<ControlServer> {
  let active = 0
  const server = createServer((request, response) => {
    active++
    void answer(request, response, options).finally(() => {
      active--
      options.onAnswered?.()
    })
  })
  // A request body may take any time. Only the request headers have a time limit.
  server.requestTimeout = 0
  server.headersTimeout = 30_000
  server.timeout = 0
  await unlink(options.path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
  const address = await socketAddress(options.path)
  try {
    // The socket is never open to other users. The daemon's umask and the folder's mode protect it until the mode is
    // set below.
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(address.path, resolve)
    })
  } finally {
    await address.release()
  }
  await chmod(options.path, 0o600)
  return {
    get active() {
      return active
    },
    async close(graceMs) {
      await unlink(options.path).catch(() => {
        // The user has already removed the file.
      })
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeIdleConnections()
      const timer = setTimeout(() => server.closeAllConnections(), graceMs)
      await closed
      clearTimeout(timer)
    },
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: ControlServerOptions,
): Promise<void> {
  const gone = new AbortController()
  response.on('close', () => {
    if (!response.writableFinished) gone.abort()
  })
  const send = (line: WireLine, status = 200): void => {
    if (response.destroyed) return
    if (!response.headersSent)
      response.writeHead(status, { 'content-type': 'application/x-ndjson', connection: 'close' })
    response.write(`${jsonLine(line)}\n`)
  }
  try {
    if (request.url?.startsWith(FILES_PREFIX) === true) {
      const value = await answerFiles(request, response, options, gone.signal)
      if (value !== undefined) send({ type: 'done', value })
      return
    }
    const name = operationOf(request)
    const given = await readBody(request)
    checkRequest(given, CONTROL_REQUESTS[name])
    const operation = options.service[name] as (given: unknown, context: unknown) => Promise<unknown>
    const context = { signal: gone.signal, progress: (value: unknown) => send({ type: 'progress', value }) }
    send({ type: 'done', value: await operation(given, context) })
  } catch (error) {
    const wire = toWire(error)
    if (wire.code === 'INTERNAL') options.log.error('a control request failed', { error: wire.message })
    send({ type: 'error', error: wire }, HTTP_STATUS[wire.code])
  } finally {
    await new Promise<void>((resolve) => (response.destroyed ? resolve() : response.end(resolve)))
  }
}

/** @returns the answer; undefined if the file content was the answer */
async function answerFiles(
  request: IncomingMessage,
  response: ServerResponse,
  { files: open }: ControlServerOptions,
  signal: AbortSignal,
): Promise<unknown> {
  if (open === undefined) throw new DriveError('NOT_FOUND', 'There is no such operation.')
  const name = (request.url ?? '').slice(FILES_PREFIX.length).split('?')[0] ?? ''
  if (name !== 'content') {
    const operation = filesOperation(name)
    if (request.method !== 'POST') throw new DriveError('INVALID', 'Operations require POST requests.')
    return operation(await readBody(request), open, signal)
  }
  if (request.method === 'PUT') return receiveContent(await open(), request, signal)
  if (request.method !== 'GET' && request.method !== 'HEAD')
    throw new DriveError('INVALID', 'File content supports GET and PUT requests.')
  await sendContent(await open(), request, response, signal)
  return undefined
}

function operationOf(request: IncomingMessage): OperationName {
  const name = /^\/v1\/([a-zA-Z]+)$/.exec(request.url ?? '')?.[1]
  const known = OPERATION_NAMES.find((operation) => operation === name)
  if (known === undefined) throw new DriveError('NOT_FOUND', 'There is no such operation.')
  if (request.method !== 'POST') throw new DriveError('INVALID', 'Operations require POST requests.')
  return known
}

async function readBody(request: IncomingMessage): Promise<object> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length
    if (size > MOST_BODY_BYTES) throw new DriveError('INVALID', 'The request is too large.')
    parts.push(part)
  }
  if (size === 0) return {}
  let body: unknown
  try {
    body = JSON.parse(Buffer.concat(parts).toString('utf8'))
  } catch {
    // The parser's message quotes the request, which may hold a secret.
    throw new DriveError('INVALID', 'The request is not JSON.')
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new DriveError('INVALID', 'The request is not a JSON object.')
  }
  return body
}
