/**
 * The state of one served mount: requests in flight, handles the kernel holds, and the sending of replies.
 * What each operation means is in the operations-*.ts files, who calls them is dispatch.ts.
 */
import { DriveError, type Log } from '../../base/index.js'
import type { Maybe, Tree } from '../../vfs/index.js'
import { ERRNO, errnoOf } from '../protocol/errno.js'
import { OpenFiles } from './open-files.js'
import { InterruptedRequests } from './pending-kill.js'
import { REPLY_HEADER_BYTES } from '../protocol/protocol.js'
import type { Request } from '../protocol/request.js'
import type { Words } from '../protocol/words.js'

/** The half of the channel that sends. Both answer 0 or a negative error number. */
export interface ReplySink {
  reply(length: number): number
  replyWith(headLength: number, segments: readonly Uint8Array[]): number
}

export interface SessionOptions {
  readonly writeback: boolean
  /** The kernel checks permissions on this mount, so that it can check ACLs as well. */
  readonly checksPermissions: boolean
  readonly requestTimeoutSeconds: number
}

const TWO_32 = 4_294_967_296
/** A small payload is copied behind the header: cheaper than a second segment. */
const COPY_BYTES = 4096
const MAX_SEGMENTS = 1000

export class Session {
  readonly tree: Tree
  /** Requests as the kernel wrote them; valid during a batch only. */
  readonly in: Words
  /** The reply being built. */
  readonly out: Words
  readonly options: SessionOptions
  readonly log: Log
  /** Where the reading of names in the current request stands. */
  cursor = 0
  /** Agreed in INIT; 0 before. */
  minor = 0
  extendedSetXattr = false
  /** Agreed in INIT: the kernel reads ACLs when it checks permissions. */
  hasAcls = false
  /** Agreed in INIT: modes of what is made come with the caller's umask not yet taken from them. */
  usesUmask = false
  /** Requests whose caller got a signal. */
  readonly interrupted = new InterruptedRequests((request) => this.letGo(request))
  readonly files = new OpenFiles()
  /** Resolves when the kernel has dropped the inode's attributes, or the mount has ended. */
  dropAttributes: (ino: number) => Promise<void> = () => Promise.resolve()
  /** The same for cached pages of a range. */
  dropPages: (ino: number, offset: number, length: number) => Promise<void> = () => Promise.resolve()
  onInitialized: (outcome: DriveError | undefined) => void = () => {}
  private readonly sink: ReplySink
  private readonly waiting = new Map<number, Request>()
  private readonly directoryHandles = new Map<number, number>()

  constructor(tree: Tree, input: Words, output: Words, sink: ReplySink, options: SessionOptions, log: Log) {
    this.tree = tree
    this.in = input
    this.out = output
    this.sink = sink
    this.options = options
    this.log = log
  }

  /** Continues with `done` at once when the value is there, and when the promise settles otherwise. */
  settle<T>(request: Request, value: Maybe<T>, done: (session: Session, request: Request, value: T) => void): void {
    if (!(value instanceof Promise)) {
      done(this, request, value)
      return
    }
    const key = uniqueOf(request)
    this.waiting.set(key, request)
    value.then(
      (result) => {
        this.waiting.delete(key)
        this.guard(request, () => done(this, request, result))
      },
      (error: unknown) => {
        this.waiting.delete(key)
        this.fail(request, error)
      },
    )
  }

  private guard(request: Request, work: () => void): void {
    try {
      work()
    } catch (error) {
      this.fail(request, error)
    }
  }

  /** The waiting request with this identity, if it still waits. */
  waitingRequest(unique: number): Request | undefined {
    return this.waiting.get(unique)
  }

  /** The caller is being killed: nobody will see the answer. */
  private letGo(request: Request): void {
    request.interrupt()
    if (request.isQuestion) this.sendErrno(request, ERRNO.EINTR)
  }

  get waitingCount(): number {
    return this.waiting.size
  }

  /** Sends out[0 … length). @returns false when nobody took the reply: whatever it granted must be taken back */
  send(request: Request, length: number): boolean {
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

  /** ENOENT is a request that was interrupted or whose mount was aborted; the end of the channel is noticed elsewhere. */
  private sent(result: number): boolean {
    if (result === 0) return true
    if (result !== -ERRNO.ENOENT && result !== -ERRNO.ENODEV && result !== -ERRNO.EBADF) {
      this.log.error('the kernel refused a reply', { errno: -result })
    }
    return false
  }

  openedDirectory(handle: number, ino: number): void {
    this.directoryHandles.set(handle, ino)
  }

  releasedDirectory(handle: number): void {
    this.directoryHandles.delete(handle)
  }

  /** The kernel is gone: nobody will send RELEASE or FORGET any more. */
  end(): void {
    this.interrupted.close()
    for (const request of this.waiting.values()) {
      request.answered = true
      request.interrupt()
    }
    for (const [handle, ino] of this.files.entries()) this.tree.release(ino, handle)
    for (const [handle, ino] of this.directoryHandles) this.tree.releaseDirectory(ino, handle)
    this.files.clear()
    this.directoryHandles.clear()
    this.tree.forgetAll?.()
    this.onInitialized(new DriveError('MOUNT_FAILED', 'The mount ended before it was ready.'))
  }
}

export function uniqueOf(request: Request): number {
  return request.uniqueHigh * TWO_32 + request.uniqueLow
}

/** Where in our code it happened; the message itself could hold a name. */
function firstFrame(error: Error): string | undefined {
  return error.stack
    ?.split('\n')
    .find((line) => line.startsWith('    at '))
    ?.trim()
}
