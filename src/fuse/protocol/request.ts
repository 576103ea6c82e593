/** One request of the kernel, and the `Caller` the tree sees. Outlives its bytes in the arena when the answer takes time. */
import type { Caller } from '../../vfs/index.js'

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
  start = 0
  /** A reply was sent, or will never be; a later one only takes back what it would have granted. */
  answered = false
  /** Of a caller that makes something, where the kernel leaves its use to us. */
  umask = 0
  /** Changes nothing that could be half done: a caller that is being killed need not wait for the answer. */
  isQuestion = false
  /** What the reply needs to know of the request: a buffer size, a handle. Its meaning is the handler's. */
  note = 0
  private interrupted = false
  private controller: AbortController | undefined

  constructor(
    opcode: number,
    nodeId: number,
    uid: number,
    gid: number,
    pid: number,
    uniqueLow: number,
    uniqueHigh: number,
  ) {
    this.opcode = opcode
    this.nodeId = nodeId
    this.uid = uid
    this.gid = gid
    this.pid = pid
    this.uniqueLow = uniqueLow
    this.uniqueHigh = uniqueHigh
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
