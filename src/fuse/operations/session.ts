/**
 * The state of one served mount: requests in flight and handles the kernel holds. Replies are sent in replies.ts. The
 * files beside this one implement the operations; dispatch.ts calls them.
 */
import { DriveError, type Log } from '../../base/index.js'
import type { Maybe, Tree } from '../../vfs/index.js'
import { ERRNO } from '../protocol/errno.js'
import { OpenFiles } from './open-files.js'
import { Replies, type ReplySink } from './replies.js'
import { InterruptedRequests } from './pending-kill.js'
import type { Journal } from '../holder/journal.js'
import { isJournaled, openFlagsAt } from '../holder/journaled.js'
import type { LoggedAnswers } from '../holder/logged-answers.js'
import type { Negotiated } from '../holder/shared-state.js'
import type { Suspects } from '../holder/suspects.js'
import { INIT, OP, REPLY_HEADER_BYTES } from '../protocol/protocol.js'
import { ENTRY_BYTES } from '../protocol/reply.js'
import type { Request } from '../protocol/request.js'
import { Words } from '../protocol/words.js'

export interface SessionOptions {
  readonly writeback: boolean
  /** The kernel checks permissions on this mount, so it can check ACLs as well. */
  readonly checksPermissions: boolean
  readonly requestTimeoutSeconds: number
}

export interface SessionChannel {
  readonly in: Words
  readonly out: Words
  readonly sink: ReplySink
}

export class MountSession extends Replies {
  readonly tree: Tree;
  /** Requests as the kernel wrote them; valid only during a batch. */
  in: Words
  readonly options: SessionOptions
  /** The offset of the next name in the current request. */
  cursor = 0
  /** Negotiated in INIT; 0 before. */
  minor = 0
  extendedSetXattr = false
  /** Negotiated in INIT: the kernel uses ACLs in its permission checks. */
  hasAcls = false
  /** Negotiated in INIT: the modes of new objects arrive without the caller's umask applied. */
  usesUmask = false
  /** Requests whose caller received a signal. */
  readonly interrupted = new InterruptedRequests((request) => this.release(request))
  readonly files = new OpenFiles()
  /** The error of the last WRITE that failed, for write-back.ts, which resets it. */
  lastFailure: Error | undefined
  /** Resolves when the kernel has dropped the inode's attributes, or the mount has ended. */
  dropAttributes: (ino: number) => Promise<void> = () => Promise.resolve()
  /** Resolves when the kernel has dropped the cached pages of the range. */
  dropPages: (ino: number, offset: number, length: number) => Promise<void> = () => Promise.resolve()
  /** The log of changes, where a holder keeps the mount. A change is logged before it is answered. */
  journal: Journal | undefined
  /**
   * Logged answers of earlier servers that the kernel may not have received. Undefined once all resent requests have
   * arrived.
   */
  answers: LoggedAnswers | undefined
  /** Requests that ended earlier drive threads; on a mount that was taken over. */
  suspects: Suspects | undefined
  /** A request was refused for that. @param what the operation, as the protocol calls it */
  onRefused: (what: string) => void = () => {}
  onInitialized: (outcome: DriveError | undefined) => void = () => {}
  private readonly waiting = new Map<number, Request>()
  private readonly directoryHandles = new Map<number, number>()

  constructor(tree: Tree, channel: SessionChannel, options: SessionOptions, log: Log) {
    super(channel.out, channel.sink, log)
    this.tree = tree
    this.in = channel.in
    this.options = options
  }

  /** Continues a connection that another server has negotiated. */
  takeOver({ minor, flags }: Negotiated): void {
    this.agree(minor, flags)
    this.files.hasUnknown = true
  }

  /** The result of INIT: the version, and the flags that both sides support. */
  agree(minor: number, flags: number): void {
    this.minor = minor
    this.extendedSetXattr = (flags & INIT.SETXATTR_EXT) !== 0
    this.hasAcls = (flags & INIT.POSIX_ACL) !== 0
    this.usesUmask = (flags & INIT.DONT_MASK) !== 0
  }

  /** The kernel cannot resend the requests of a dead server, so no later server can take the mount over. */
  withoutJournal(): void {
    this.journal?.close()
    this.journal = undefined
  }

  /** Dispatches a request from a copy outside the channel's memory. */
  dispatchCopy(request: Uint8Array, dispatch: (session: MountSession, start: number, length: number) => void): void {
    const before = this.in
    const bytes = (request.length + 7) & ~7
    this.in = new Words(new ArrayBuffer(bytes), 0, bytes)
    this.in.bytes.set(request)
    try {
      dispatch(this, 0, request.length)
    } finally {
      this.in = before
    }
  }

  /** Calls `done` at once for a plain value, and otherwise when the promise settles. */
  settle<T>(
    request: Request,
    value: Maybe<T>,
    done: (session: MountSession, request: Request, value: T) => void,
  ): void {
    if (!(value instanceof Promise)) {
      done(this, request, value)
      return
    }
    const key = request.unique
    this.waiting.set(key, request)
    const { journal } = this
    if (journal !== undefined && this.isJournaled(request)) {
      // Buffer's own slice would be a view of memory that the next request overwrites.
      request.bytes ??= Uint8Array.prototype.slice.call(this.requestBytes(request))
      request.reservedBytes = journal.reserve(request.bytes.length)
    }
    value.then(
      (result) => {
        this.waiting.delete(key)
        this.guard(request, () => done(this, request, result))
      },
      (error: unknown) => {
        this.waiting.delete(key)
        this.unreserve(request)
        this.fail(request, error)
      },
    )
  }

  /** Its answer is about to be sent, or there will be none. The space reserved in the log is used or released. */
  private unreserve(request: Request): void {
    this.journal?.unreserve(request.reservedBytes)
    request.reservedBytes = 0
  }

  private guard(request: Request, work: () => void): void {
    try {
      work()
    } catch (error) {
      this.unreserve(request)
      this.fail(request, error)
    }
  }

  /** The unanswered request with this id, if there is one. */
  waitingRequest(unique: number): Request | undefined {
    return this.waiting.get(unique)
  }

  /** Releases a caller that is being killed and will not see the answer. */
  private release(request: Request): void {
    request.interrupt()
    if (request.isReadOnly) this.sendErrno(request, ERRNO.EINTR)
  }

  get waitingCount(): number {
    return this.waiting.size
  }

  override fail(request: Request, error: unknown): void {
    if (request.opcode === OP.WRITE) this.lastFailure = error instanceof Error ? error : new Error(String(error))
    super.fail(request, error)
  }

  protected override beforeReply(request: Request): void {
    if (this.journal === undefined || request.isLogged || !this.isJournaled(request)) return
    request.isLogged = true
    this.unreserve(request)
    this.record(this.journal, request)
  }

  /** Whether it changes the tree and is logged when it is done. */
  isJournaled(request: Request): boolean {
    return isJournaled(request.opcode, () => {
      const at = openFlagsAt
      return request.bytes === undefined
        ? this.in.u32(request.start + at)
        : Buffer.from(request.bytes.buffer, request.bytes.byteOffset).readUInt32LE(at)
    })
  }

  private requestBytes(request: Request): Uint8Array {
    return request.bytes ?? this.in.bytes.subarray(request.start, request.start + this.in.u32(request.start))
  }

  /**
   * Logs the result, whose numbers are in the reply: struct fuse_entry_out begins with the inode, struct fuse_open_out
   * with the handle, struct fuse_write_out and fuse_copy_file_range_out with the bytes copied.
   */
  private record(journal: Journal, request: Request): void {
    const { opcode } = request
    const makes = opcode === OP.CREATE || opcode === OP.MKDIR || opcode === OP.MKNOD || opcode === OP.SYMLINK
    const ino = makes ? this.out.u64(REPLY_HEADER_BYTES) : 0
    const valueAt = opcode === OP.CREATE ? REPLY_HEADER_BYTES + ENTRY_BYTES : REPLY_HEADER_BYTES
    const copies = opcode === OP.COPY_FILE_RANGE || opcode === OP.COPY_FILE_RANGE_64
    const value = opcode === OP.CREATE || opcode === OP.OPEN || copies ? this.out.u64(valueAt) : 0
    journal.record(this.requestBytes(request), ino, value)
  }

  openedDirectory(handle: number, ino: number): void {
    this.journal?.state.noteHandle(handle)
    this.directoryHandles.set(handle, ino)
  }

  releasedDirectory(handle: number): void {
    this.directoryHandles.delete(handle)
  }

  /** Closes every file and directory this session opened. */
  releaseHandles(): void {
    for (const [handle, ino] of this.files.entries()) this.tree.release(ino, handle)
    for (const [handle, ino] of this.directoryHandles) this.tree.releaseDirectory(ino, handle)
    this.files.clear()
    this.directoryHandles.clear()
  }

  /** The connection has ended: no RELEASE or FORGET will arrive any more. */
  end(): void {
    this.interrupted.close()
    for (const request of this.waiting.values()) {
      request.answered = true
      request.interrupt()
    }
    this.journal?.close()
    this.releaseHandles()
    this.tree.forgetAll?.()
    this.onInitialized(new DriveError('MOUNT_FAILED', 'The mount ended before it was ready.'))
  }
}
