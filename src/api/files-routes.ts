/**
 * Files over the control socket: `POST /v1/files/<operation>` with a JSON body, answered by one line like every
 * operation; `GET` and `PUT /v1/files/content` carry whole files as streams. Validates requests; src/files does the
 * work.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { DriveError, printable } from '../base/index.js'
import { readStream, writeStream, type Condition, type FileInfo, type Files, type FilePlace } from '../files/client.js'

export const FILES_PREFIX = '/v1/files/'
const DEFAULT_ORIGIN = 'api'
const MOST_ORIGIN = 64

type Body = Readonly<Record<string, unknown>>

/** The operations. Each takes a request body and answers with plain data. */
const OPERATIONS: Readonly<Record<string, (files: Files, body: Body, signal: AbortSignal) => Promise<unknown>>> = {
  stat: (files, body) => files.stat(placeIn(body)),
  list: (files, body) =>
    files.list(placeIn(body), { limit: numberIn(body, 'limit', 1000), ...optional('cursor', textIn(body, 'cursor')) }),
  makeDirectory: (files, body) =>
    files.makeDirectory(pathIn(body, 'path'), { parents: body['parents'] === true }, originIn(body)),
  rename: (files, body) =>
    files.rename(placeIn(body), pathIn(body, 'to'), { replace: body['replace'] === true }, originIn(body)),
  async remove(files, body, signal) {
    await files.remove(placeIn(body), { recursive: body['recursive'] === true }, originIn(body), signal)
    return {}
  },
  events: (files, body, signal) =>
    files.events(
      numberIn(body, 'from', 0),
      { limit: numberIn(body, 'limit', 1000), waitMs: numberIn(body, 'waitMs', 0) },
      signal,
    ),
}

/** NOT_FOUND for an unknown operation. */
export function filesOperation(name: string): (files: Files, body: Body, signal: AbortSignal) => Promise<unknown> {
  const operation = Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name] : undefined
  if (operation === undefined) throw new DriveError('NOT_FOUND', 'There is no such operation.')
  return operation
}

/** `GET /v1/files/content?path=…` or `?id=…`: the whole file, or the range of `Range: bytes=…`. */
export async function sendContent(
  files: Files,
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const query = queryOf(request)
  const id = query.get('id')
  const place: FilePlace = id === null ? { path: query.get('path') ?? '' } : { id }
  const info = await files.stat(place)
  if (info.type !== 'file') throw new DriveError('IS_A_DIRECTORY', 'Only a regular file has content.')
  const headers = { etag: `"${info.revision}"`, 'content-type': 'application/octet-stream', 'accept-ranges': 'bytes' }
  if (request.headers['if-none-match'] === headers.etag) {
    response.writeHead(304, headers).end()
    return
  }
  const range = rangeOf(request.headers.range, info.size)
  const { start, end } = range ?? { start: 0, end: info.size }
  const partial = range && { 'content-range': `bytes ${String(start)}-${String(end - 1)}/${String(info.size)}` }
  response.writeHead(range === undefined ? 200 : 206, {
    ...headers,
    ...partial,
    'content-length': end - start,
    'last-modified': new Date(info.modifiedMs).toUTCString(),
  })
  if (request.method === 'HEAD') response.end()
  else await pipeline(readStream(files, { id: info.id }, { start, end, signal }), response, { signal })
}

/**
 * `PUT /v1/files/content?path=…`: replaces the file's content by the body, atomically. `If-None-Match: *` requires that
 * the file is new, `If-Match: "revision"` that it has not changed.
 */
export async function receiveContent(files: Files, request: IncomingMessage, signal: AbortSignal): Promise<FileInfo> {
  const query = queryOf(request)
  const path = query.get('path')
  if (path === null) throw new DriveError('INVALID', '"path" is missing: it names the file to write.')
  const match = request.headers['if-match']
  const condition: Condition = {
    ...(request.headers['if-none-match'] === '*' && { ifAbsent: true }),
    ...(match !== undefined && { ifRevision: match.replace(/^"|"$/gu, '') }),
  }
  const origin = checkedOrigin(query.get('origin') ?? DEFAULT_ORIGIN)
  return writeStream(files, path, whole(request), { ...condition, origin, signal })
}

/** A client that disconnects early must not be mistaken for one that has sent everything. */
async function* whole(request: IncomingMessage): AsyncGenerator<Uint8Array> {
  yield* request as AsyncIterable<Buffer>
  if (!request.complete) throw new DriveError('ABORTED', 'The request body ended before its announced length.')
}

function queryOf(request: IncomingMessage): URLSearchParams {
  return new URL(request.url ?? '/', 'http://socket').searchParams
}

/**
 * The requested byte range. Undefined for no range, or for a kind of range that may be ignored. NO_SUCH_ADDRESS past
 * the end of the file.
 */
function rangeOf(header: string | undefined, size: number): { start: number; end: number } | undefined {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/u.exec(header ?? '') ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1)
  if (start >= size || end <= start)
    throw new DriveError('NO_SUCH_ADDRESS', 'The range lies beyond the end of the file.')
  return { start, end }
}

function placeIn(body: Body): FilePlace {
  return body['id'] === undefined ? { path: pathIn(body, 'path') } : { id: pathIn(body, 'id') }
}

function pathIn(body: Body, name: string): string {
  const text = textIn(body, name)
  if (text === undefined) throw new DriveError('INVALID', `"${name}" is missing.`)
  return text
}

function textIn(body: Body, name: string): string | undefined {
  const value = body[name]
  if (value !== undefined && typeof value !== 'string') throw new DriveError('INVALID', `"${name}" is not text.`)
  return value
}

function numberIn(body: Body, name: string, otherwise: number): number {
  const value = body[name] ?? otherwise
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw new DriveError('INVALID', `"${name}" is not a whole number.`)
  }
  return value as number
}

const originIn = (body: Body): string => checkedOrigin(textIn(body, 'origin') ?? DEFAULT_ORIGIN)

/** The limit of an origin's length: it is stored with thousands of events and shown to every client. */
function checkedOrigin(origin: string): string {
  if (origin !== '' && origin.length <= MOST_ORIGIN && printable(origin) === origin) return origin
  throw new DriveError('INVALID', `"origin" is a name of 1 to ${MOST_ORIGIN} printable characters.`)
}

const optional = <Name extends string>(name: Name, value: string | undefined): Partial<Record<Name, string>> =>
  value === undefined ? {} : ({ [name]: value } as Partial<Record<Name, string>>)
