/** Calls the daemon's operations over its control socket. Loads only node:http. */
import { request, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { aborted, DriveError, fromWire } from '../base/index.js'
import { socketAddress } from './socket-address.js'
import type { OperationName, Operations, WireLine } from './wire.js'

export interface CallControlOptions<Name extends OperationName> {
  readonly signal?: AbortSignal
  readonly onProgress?: (what: Operations[Name]['progress']) => void
}

/**
 * Calls one operation. Rejects with the daemon's own DriveError; with DAEMON_UNREACHABLE when nobody listens or the
 * daemon ends during the call; with ABORTED when `signal` fires, which also cancels the operation in the daemon.
 */
export async function callControl<Name extends OperationName>(
  socketPath: string,
  name: Name,
  given: Operations[Name]['given'],
  options: CallControlOptions<Name> = {},
): Promise<Operations[Name]['answer']> {
  const response = await send(socketPath, name, JSON.stringify(given), options.signal)
  try {
    for await (const text of createInterface({ input: response, crlfDelay: Infinity })) {
      const line = JSON.parse(text) as WireLine
      if (line.type === 'progress') options.onProgress?.(line.value as Operations[Name]['progress'])
      else if (line.type === 'done') return line.value as Operations[Name]['answer']
      else throw fromWire(line.error)
    }
  } catch (error) {
    if (error instanceof DriveError) throw error
    if (options.signal?.aborted) throw aborted(options.signal)
    throw wentAway(error)
  } finally {
    response.destroy()
  }
  if (options.signal?.aborted) throw aborted(options.signal)
  throw wentAway(undefined)
}

/** True when somebody listens at the socket. */
export async function controlAnswers(socketPath: string): Promise<boolean> {
  const address = await socketAddress(socketPath).catch(() => {
    // The directory is missing, so nobody listens.
    return undefined
  })
  if (address === undefined) return false
  try {
    return await new Promise<boolean>((resolve) => {
      const socket = connect(address.path)
      socket.on('connect', () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', () => resolve(false))
    })
  } finally {
    await address.release()
  }
}

function wentAway(cause: unknown): DriveError {
  return new DriveError('DAEMON_UNREACHABLE', 'The daemon ended before it answered. Its log shows the reason.', {
    cause,
  })
}

async function send(
  socketPath: string,
  name: OperationName,
  body: string,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  const unreachable = (cause: unknown): DriveError =>
    new DriveError('DAEMON_UNREACHABLE', 'The dagdrive daemon is not running.', { cause })
  const address = await socketAddress(socketPath).catch((error: unknown) => {
    throw unreachable(error)
  })
  try {
    return await new Promise<IncomingMessage>((resolve, reject) => {
      const call = request({
        socketPath: address.path,
        path: `/v1/${name}`,
        method: 'POST',
        agent: false,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
        ...(signal === undefined ? {} : { signal }),
      })
      call.on('response', resolve)
      call.on('error', (error) => reject(signal?.aborted ? aborted(signal) : unreachable(error)))
      call.end(body)
    })
  } finally {
    await address.release()
  }
}
