/**
 * Files over the control socket: `POST /v1/files/<operation>` with a JSON body, answered by one line like every
 * operation; `GET` and `PUT /v1/files/content` carry whole files as streams. Validates requests; src/files does the
 * work.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { DriveError, printable } from '../base/index.js'
import { readStream, writeStream, type Condition, type FileInfo, type Files, type FilePlace } from '../files/client.js'
import { checkRequest } from './check-request.js'
import { FILES_REQUESTS, type FilesRequests, type PlaceRequest } from './requests.js'

export const FILES_PREFIX = '/v1/files/'
const DEFAULT_ORIGIN = 'api'
const MOST_ORIGIN = 64
const MOST_ENTRIES = 1000

type Operation<Given> = (files: Files, given: Given, signal: AbortSignal) => Promise<unknown>

/** Each operation takes a checked request and returns plain data. */
const OPERATIONS: { readonly [Name in keyof FilesRequests]: Operation<FilesRequests[Name]> } = {
  stat: (files, given) => files.stat(placeIn(given)),
  list: (files, { limit = MOST_ENTRIES, cursor, ...given }) =>
    files.list(placeIn(given), { limit, ...(cursor === undefined ? {} : { cursor }) }),
  makeDirectory: (files, { path, parents = false, origin }) =>
    files.makeDirectory(path, { parents }, checkedOrigin(origin)),
  rename: (files, { to, replace = false, origin, ...given }) =>
    files.rename(placeIn(given), to, { replace }, checkedOrigin(origin)),
  async remove(files, { recursive = false, origin, ...given }, signal) {
    await files.remove(placeIn(given), { recursive }, checkedOrigin(origin), signal)
    return {}
  },
  events: (files, { from = 0, limit = MOST_ENTRIES, waitMs = 0 }, signal) =>
    files.events(from, { limit, waitMs }, signal),
}

/** The operation; it checks its request before the drive is opened. NOT_FOUND for an unknown one. */
export function filesOperation(
  name: string,
): (given: object, open: () => Promise<Files>, signal: AbortSignal) => Promise<unknown> {
  if (!isOperation(name)) throw new DriveError('NOT_FOUND', 'There is no such operation.')
  return async (given, open, signal) => {
    checkRequest(given, FILES_REQUESTS[name])
    return (OPERATIONS[name] as Operation<object>)(await open(), given, signal)
  }
}

const isOperation = (name: string): name is keyof FilesRequests => Object.hasOwn(OPERATIONS, name)

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
  const origin = checkedOrigin(query.get('origin') ?? undefined)
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

function placeIn({ path, id }: PlaceRequest): FilePlace {
  if (id !== undefined) return { id }
  if (path === undefined) throw new DriveError('INVALID', '"path" is missing.')
  return { path }
}

/** The limit of an origin's length: it is stored with thousands of events and shown to every client. */
function checkedOrigin(origin = DEFAULT_ORIGIN): string {
  if (origin !== '' && origin.length <= MOST_ORIGIN && printable(origin) === origin) return origin
  throw new DriveError('INVALID', `"origin" is a name of 1 to ${MOST_ORIGIN} printable characters.`)
}
