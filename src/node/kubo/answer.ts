/**
 * The response to one call: bytes, one JSON value or a stream of JSON lines, all bounded. Only a complete response is
 * accepted.
 */
import type { IncomingMessage } from 'node:http'
import { DriveError } from '../../base/index.js'
import { LINE_BYTES } from './call-limits.js'
import { connectionFailure, nodeFailure, refusal, type FailedCall } from './failures.js'

const REFUSAL_BYTES = 64 * 1024
/** Of a response that is one object: Kubo's have some fields. */
const OBJECT_BYTES = 64 * 1024

interface Call extends FailedCall {
  /** The maximum size of the response in bytes. */
  readonly answerBytes: number
  /** The maximum number of its lines. */
  readonly answerLines: number
  /** The reason if this side ended the call: cancelled, or a time-out. */
  readonly gaveUp: () => DriveError | undefined
  /** Called once, when the response is read or given up. */
  readonly release: () => void
}

export class RpcAnswer {
  readonly #message: IncomingMessage
  readonly #call: Call

  constructor(message: IncomingMessage, call: Call) {
    this.#message = message
    this.#call = call
  }

  async throwIfRefused(): Promise<void> {
    const status = this.#message.statusCode ?? 0
    if (status >= 200 && status < 300) return
    // The connection may hold an unfinished body, so it is not reused.
    const text = await this.#text(REFUSAL_BYTES).catch(() => '')
    this.#message.destroy()
    throw this.#call.gaveUp() ?? refusal(status, text, this.#call)
  }

  /** NODE_ERROR when it exceeds the limit of the command. */
  async bytes(): Promise<Uint8Array> {
    return this.#bytes(this.#call.answerBytes)
  }

  /** One JSON object; NODE_ERROR for anything else. The fields are not validated here. */
  async json<T>(): Promise<T> {
    const most = Math.min(OBJECT_BYTES, this.#call.answerBytes)
    return this.#parse<T>(Buffer.from(await this.#bytes(most)).toString())
  }

  /** Yields one JSON object per line, as they arrive. */
  async *lines<T>(): AsyncGenerator<T, void, undefined> {
    let rest = ''
    let count = 0
    const decoder = new TextDecoder()
    for await (const part of this.#parts()) {
      const lines = (rest + decoder.decode(part, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      count += lines.length
      if (count > this.#call.answerLines) throw this.#tooLong()
      for (const line of lines) if (line.trim() !== '') yield this.#line<T>(line)
      if (rest.length > LINE_BYTES) throw this.#tooLong()
    }
    if (rest.trim() !== '') yield this.#line<T>(rest)
  }

  /** Reads to the end and discards the bytes. */
  async drain(): Promise<void> {
    for await (const _part of this.#parts()) continue
  }

  async #bytes(limit: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    let length = 0
    for await (const part of this.#parts(limit)) {
      length += part.byteLength
      parts.push(part)
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts, length)
  }

  #line<T>(line: string): T {
    if (line.length > LINE_BYTES) throw this.#tooLong()
    return this.#parse<T>(line)
  }

  /** Reads the body and then checks that it is complete: the last chunk arrived, and the trailer reports no failure. */
  async *#parts(limit = this.#call.answerBytes): AsyncGenerator<Uint8Array, void, undefined> {
    const { command, where, gaveUp } = this.#call
    const message = this.#message
    let length = 0
    try {
      for await (const part of message as AsyncIterable<Uint8Array>) {
        length += part.byteLength
        if (length > limit) throw this.#tooLong()
        yield part
      }
      if (!message.complete)
        throw new DriveError('OFFLINE', 'The connection to the node broke.', { about: { where, command } })
    } catch (error) {
      throw gaveUp() ?? connectionFailure(error, where)
    } finally {
      this.#call.release()
      // The reader stopped early, so the rest is not awaited.
      if (!message.complete) message.destroy()
    }
    const failure = message.trailers['x-stream-error']
    if (failure !== undefined) throw nodeFailure(failure, this.#call)
  }

  async #text(limit: number): Promise<string> {
    return Buffer.from(await this.#bytes(limit)).toString()
  }

  #parse<T>(text: string): T {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      // reported below
    }
    if (typeof value === 'object' && value !== null) return value as T
    throw this.#malformed('The node sent an unexpected response.')
  }

  #tooLong(): DriveError {
    return this.#malformed('The answer of the node is too long.')
  }

  #malformed(message: string): DriveError {
    const { command, where } = this.#call
    return new DriveError('NODE_ERROR', message, { about: { command, where } })
  }
}
