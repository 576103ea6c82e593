/**
 * The state of one served mount: requests in flight and handles the kernel holds. Replies are sent in replies.ts.
 * What each operation means is in the files beside this one, who calls them is dispatch.ts.
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
import { INIT, OP, REPLY_HEADER_BYTES } from '../protocol/protocol.js'
import { ENTRY_BYTES } from '../protocol/reply.js'
import type { Request } from '../protocol/request.js'
import { Words } from '../protocol/words.js'

export interface SessionOptions {
  readonly writeback: boolean
  /** The kernel checks permissions on this mount, so that it can check ACLs as well. */
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
  /** Requests as the kernel wrote them; valid during a batch only. */
  in: Words
  readonly options: SessionOptions
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
  /** What changes the tree is logged before it is answered, where a holder keeps the mount. */
  journal: Journal | undefined
  /** Of the servers before: the kernel may not have got them. Undefined when all that was sent again has come. */
  answers: LoggedAnswers | undefined
  onInitialized: (outcome: DriveError | undefined) => void = () => {}
  private readonly waiting = new Map<number, Request>()
  private readonly directoryHandles = new Map<number, number>()

  constructor(tree: Tree, channel: SessionChannel, options: SessionOptions, log: Log) {
    super(channel.out, channel.sink, log)
    this.tree = tree
    this.in = channel.in
    this.options = options
  }

  /** Goes on with a connection that another server has negotiated. */
  takeOver({ minor, flags }: Negotiated): void {
    this.agree(minor, flags)
    this.files.hasUnknown = true
  }

  /** What INIT has settled: the version and the flags both sides want. */
  agree(minor: number, flags: number): void {
    this.minor = minor
    this.extendedSetXattr = (flags & INIT.SETXATTR_EXT) !== 0
    this.hasAcls = (flags & INIT.POSIX_ACL) !== 0
    this.usesUmask = (flags & INIT.DONT_MASK) !== 0
  }

  /** The kernel cannot send again what a dead server had read, so nobody will take the mount over. */
  withoutJournal(): void {
    this.journal?.close()
    this.journal = undefined
  }

  /** Dispatches a request that no longer lies in the channel's memory. */
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

  /** Continues with `done` at once when the value is there, and when the promise settles otherwise. */
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
      // Not Buffer's own slice, which is a view of memory that the next request overwrites.
      request.bytes = Uint8Array.prototype.slice.call(this.requestBytes(request))
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

  /** Its answer is about to be sent, or there will be none: what was reserved in the log for it is used, or free. */
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

  protected override beforeReply(request: Request): void {
    if (this.journal === undefined || request.isLogged || !this.isJournaled(request)) return
    request.isLogged = true
    this.unreserve(request)
    this.record(this.journal, request)
  }

  /** It changes the tree, and is logged when it is done. */
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
   * The numbers it gave stand in the reply: struct fuse_entry_out begins with the inode, struct fuse_open_out with the
   * handle, struct fuse_write_out and fuse_copy_file_range_out with the bytes copied.
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

  /** The kernel is gone: nobody will send RELEASE or FORGET any more. */
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
