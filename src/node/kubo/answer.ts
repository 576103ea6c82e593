/** The answer to one call: bytes, one JSON value or a stream of JSON lines. Only an answer that came whole is believed. */
import type { IncomingMessage } from 'node:http'
import { DriveError, MIB } from '../../base/index.js'
import { connectionFailure, nodeFailure, refusal } from './failures.js'

const ANSWER_BYTES = 4 * MIB
const REFUSAL_BYTES = 64 * 1024

interface Call {
  readonly command: string
  readonly where: string
  /** Why this side ended the call, if it did: cancelled, or too long silent. */
  readonly gaveUp: () => DriveError | undefined
  /** Takes our credentials out of what the node says. */
  readonly hide: (said: string) => string
  /** Called once, when the answer is read or given up. */
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
    // The connection may carry an unfinished body, so it is not used again.
    const text = await this.#text(REFUSAL_BYTES).catch(() => '')
    this.#message.destroy()
    throw refusal(status, this.#call.hide(text), this.#call.command, this.#call.where)
  }

  /** @param limit bytes; a longer answer is NODE_ERROR */
  async bytes(limit: number = ANSWER_BYTES): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    let length = 0
    for await (const part of this.#parts()) {
      length += part.byteLength
      if (length > limit) throw this.#malformed('The answer of the node is too long.')
      parts.push(part)
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts, length)
  }

  /** One JSON object; NODE_ERROR for anything else. What its fields are is not checked here. */
  async json<T>(): Promise<T> {
    return this.#parse<T>(Buffer.from(await this.bytes()).toString())
  }

  /** One JSON object a line, as they arrive. */
  async *lines<T>(): AsyncGenerator<T, void, undefined> {
    let rest = ''
    const decoder = new TextDecoder()
    for await (const part of this.#parts()) {
      const lines = (rest + decoder.decode(part, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > ANSWER_BYTES) throw this.#malformed('The answer of the node is too long.')
      for (const line of lines) if (line.trim() !== '') yield this.#parse<T>(line)
    }
    if (rest.trim() !== '') yield this.#parse<T>(rest)
  }

  /** Reads to the end and forgets. */
  async drain(): Promise<void> {
    for await (const _part of this.#parts()) continue
  }

  /** The body, then the proof that it was whole: the last chunk arrived and no failure is in the trailer. */
  async *#parts(): AsyncGenerator<Uint8Array, void, undefined> {
    const { command, where, gaveUp, hide } = this.#call
    const message = this.#message
    try {
      for await (const part of message) yield part as Uint8Array
      if (!message.complete)
        throw new DriveError('OFFLINE', 'The connection to the node broke.', { about: { where, command } })
    } catch (error) {
      throw gaveUp() ?? connectionFailure(error, where)
    } finally {
      this.#call.release()
      // A reader that stopped early: the rest is not waited for.
      if (!message.complete) message.destroy()
    }
    const failure = message.trailers['x-stream-error']
    if (failure !== undefined) throw nodeFailure(hide(failure), { where, command })
  }

  async #text(limit: number): Promise<string> {
    return Buffer.from(await this.bytes(limit)).toString()
  }

  #parse<T>(text: string): T {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      // said below
    }
    if (typeof value === 'object' && value !== null) return value as T
    throw this.#malformed('The node answered with something else than was asked for.')
  }

  #malformed(message: string): DriveError {
    const { command, where } = this.#call
    return new DriveError('NODE_ERROR', message, { about: { command, where } })
  }
}
