/**
 * One request of the kernel, and the `Caller` the tree sees. Outlives its bytes in the arena when the answer takes
 * time.
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
  /** The kernel's identity of the request, in two halves so that a reply repeats it exactly. */
  readonly uniqueLow: number
  readonly uniqueHigh: number
  /** The request itself, kept while its answer takes time and will be logged. */
  bytes: Uint8Array | undefined
  /** Where it lies in the session's input while it is dispatched. */
  readonly start: number
  /** A reply was sent, or will never be; a later one only takes back what it would have granted. */
  answered = false
  /** Of a caller that makes something, where the kernel leaves its use to us. */
  umask = 0
  /** In the log, while its answer takes time. */
  reservedBytes = 0
  /** What it did is in the log already. */
  isLogged = false
  /** Changes nothing that could be half done: a caller that is being killed need not wait for the answer. */
  isQuestion = false
  /** What the reply needs to know of the request: a buffer size, a handle. Its meaning is the handler's. */
  note = 0
  private interrupted = false
  private controller: AbortController | undefined

  /** From its header, which lies at `start`. */
  constructor(input: Words, start: number) {
    this.start = start
    this.opcode = input.u32(start + HEADER.opcode)
    this.nodeId = input.u64(start + HEADER.nodeId)
    this.uid = input.u32(start + HEADER.uid)
    this.gid = input.u32(start + HEADER.gid)
    this.pid = input.u32(start + HEADER.pid)
    this.uniqueLow = input.u32(start + HEADER.unique)
    this.uniqueHigh = input.u32(start + HEADER.unique + 4)
  }

  /** Its identity, the same when it is sent again. */
  get unique(): number {
    return uniqueNumber(this.uniqueHigh, this.uniqueLow)
  }

  /** The kernel sent it before, to a server that died. */
  get isResent(): boolean {
    return (this.uniqueHigh & UNIQUE_RESENT) !== 0
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

/** The identity of a request from its halves, without the bit that says it was sent again. */
export function uniqueNumber(high: number, low: number): number {
  return (high & ~UNIQUE_RESENT) * TWO_32 + low
}
