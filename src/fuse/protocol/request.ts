/**
 * One request of the kernel, and the `Caller` that the tree sees. While its answer is pending it outlives its bytes in
 * the arena.
 */
import type { Caller } from '../../vfs/index.js'
import { HEADER, UNIQUE_RESENT } from './protocol.js'
import type { Words } from './words.js'

export class Request implements Caller {
  readonly opcode: number
  readonly nodeId: number
  readonly uid: number
  readonly gid: number
  readonly pid: number
  /** The kernel's id of the request (`unique`), in two halves so that a reply repeats it exactly. */
  readonly uniqueLow: number
  readonly uniqueHigh: number
  /** A copy of the request's bytes, kept while its answer is pending and will be logged. */
  bytes: Uint8Array | undefined
  /** Its offset in the session's input while it is dispatched. */
  readonly start: number
  /** A reply was sent, or none will be. A later reply is not sent; its references and handles are released. */
  answered = false
  /** The umask of a caller that creates an object, where the kernel lets us apply it. */
  umask = 0
  /** Bytes reserved in the log while its answer is pending. */
  reservedBytes = 0
  /** Its effect is already in the log. */
  isLogged = false
  /** It changes nothing, so a caller that is being killed need not wait for the answer. */
  isReadOnly = false
  /** A number that the reply needs, such as a buffer size or a handle. The handler defines its meaning. */
  note = 0
  private readonly input: Words
  private interrupted = false
  private controller: AbortController | undefined

  /** Reads the header at `start`. */
  constructor(input: Words, start: number) {
    this.start = start
    this.input = input
    this.opcode = input.u32(start + HEADER.opcode)
    this.nodeId = input.u64(start + HEADER.nodeId)
    this.uid = input.u32(start + HEADER.uid)
    this.gid = input.u32(start + HEADER.gid)
    this.pid = input.u32(start + HEADER.pid)
    this.uniqueLow = input.u32(start + HEADER.unique)
    this.uniqueHigh = input.u32(start + HEADER.unique + 4)
  }

  /** Its id, which stays the same when the kernel resends it. */
  get unique(): number {
    return uniqueNumber(this.uniqueHigh, this.uniqueLow)
  }

  /** True if the kernel sent it before, to a server that died. */
  get isResent(): boolean {
    return (this.uniqueHigh & UNIQUE_RESENT) !== 0
  }

  /**
   * Copies the whole request, of which `data` is a part; only while it is dispatched. @returns that part of the copy
   */
  keep(data: Uint8Array): Uint8Array {
    const { bytes: all } = this.input
    const at = data.byteOffset - all.byteOffset - this.start
    const length = this.bytes?.length ?? this.input.u32(this.start)
    // A copy of a range writes for its caller too, and its bytes are in no request.
    const isOurs = data.buffer === all.buffer && at >= 0 && at + data.length <= length
    if (!isOurs) return Uint8Array.prototype.slice.call(data)
    // Not Buffer's own slice, which is a view of memory that the next request overwrites.
    this.bytes ??= Uint8Array.prototype.slice.call(all, this.start, this.start + length)
    return this.bytes.subarray(at, at + data.length)
  }

  get signal(): AbortSignal {
    this.controller ??= new AbortController()
    if (this.interrupted) this.controller.abort()
    return this.controller.signal
  }

  interrupt(): void {
    this.interrupted = true
    this.controller?.abort()
  }
}

const TWO_32 = 4_294_967_296

/** The id of a request from its halves, without the bit for a resent request. */
export function uniqueNumber(high: number, low: number): number {
  return (high & ~UNIQUE_RESENT) * TWO_32 + low
}
