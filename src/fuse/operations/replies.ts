/** Sends replies: the header, small and large bodies, errors. */
import { DriveError, type Log } from '../../base/index.js'
import { ERRNO, errnoOf } from '../protocol/errno.js'
import { REPLY_HEADER_BYTES } from '../protocol/protocol.js'
import type { Request } from '../protocol/request.js'
import type { Words } from '../protocol/words.js'

/** The sending half of the channel. Both functions return 0 or a negative errno. */
export interface ReplySink {
  reply(length: number): number
  replyWith(headLength: number, segments: readonly Uint8Array[]): number
}

/** A payload up to this size is copied after the header: cheaper than a second segment. */
const COPY_BYTES = 4096
const MAX_SEGMENTS = 1000

export class Replies {
  /** The reply being built. */
  readonly out: Words
  readonly log: Log
  private readonly sink: ReplySink

  constructor(out: Words, sink: ReplySink, log: Log) {
    this.out = out
    this.sink = sink
    this.log = log
  }

  /** Called before a successful reply is sent, when its fields are in `out`. */
  protected beforeReply(_request: Request): void {}

  /**
   * Sends out[0 … length). @returns false when the kernel did not accept the reply: the caller releases the references
   * and handles in it
   */
  send(request: Request, length: number): boolean {
    this.beforeReply(request)
    if (request.answered) return false
    request.answered = true
    this.out.setU32(0, length)
    this.out.setU32(4, 0)
    this.out.setU32(8, request.uniqueLow)
    this.out.setU32(12, request.uniqueHigh)
    return this.sent(this.sink.reply(length))
  }

  /** Sends the reply header and these bytes. */
  sendData(request: Request, segments: readonly Uint8Array[]): boolean {
    const first = segments[0]
    if (first === undefined) return this.send(request, REPLY_HEADER_BYTES)
    if (segments.length === 1 && first.length <= COPY_BYTES) {
      this.out.bytes.set(first, REPLY_HEADER_BYTES)
      return this.send(request, REPLY_HEADER_BYTES + first.length)
    }
    if (request.answered) return false
    request.answered = true
    this.out.setU32(4, 0)
    this.out.setU32(8, request.uniqueLow)
    this.out.setU32(12, request.uniqueHigh)
    const list = segments.length <= MAX_SEGMENTS ? segments : [Buffer.concat(segments)]
    return this.sent(this.sink.replyWith(REPLY_HEADER_BYTES, list))
  }

  sendOk(request: Request): boolean {
    return this.send(request, REPLY_HEADER_BYTES)
  }

  sendErrno(request: Request, errno: number): void {
    if (request.answered) return
    request.answered = true
    this.out.setU32(0, REPLY_HEADER_BYTES)
    this.out.setU32(4, -errno)
    this.out.setU32(8, request.uniqueLow)
    this.out.setU32(12, request.uniqueHigh)
    this.sent(this.sink.reply(REPLY_HEADER_BYTES))
  }

  fail(request: Request, error: unknown): void {
    if (!(error instanceof DriveError)) {
      this.log.error('a filesystem request failed unexpectedly', {
        opcode: request.opcode,
        error: error instanceof Error ? error.constructor.name : typeof error,
        at: error instanceof Error ? firstFrame(error) : undefined,
      })
    }
    this.sendErrno(request, errnoOf(error))
  }

  /** ENOENT: the request was interrupted, or its mount was aborted. The end of the channel is handled elsewhere. */
  private sent(result: number): boolean {
    if (result === 0) return true
    if (result !== -ERRNO.ENOENT && result !== -ERRNO.ENODEV && result !== -ERRNO.EBADF) {
      this.log.error('the kernel refused a reply', { errno: -result })
    }
    return false
  }
}

/** The place in our code. The message is left out, because it could hold a name. */
function firstFrame(error: Error): string | undefined {
  return error.stack
    ?.split('\n')
    .find((line) => line.startsWith('    at '))
    ?.trim()
}
