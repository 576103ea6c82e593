/** For tests: a session without a kernel. Requests are bytes, and replies are collected. */
import { silentLog, type Clock } from '../../../src/base/index.js'
import type { Tree } from '../../../src/vfs/index.js'
import { dispatch } from '../../../src/fuse/operations/dispatch.js'
import { MountSession, type SessionOptions } from '../../../src/fuse/operations/session.js'
import { Words } from '../../../src/fuse/protocol/words.js'

/** Always 2026-01-02T03:04:05.000000006Z. */
export const STOPPED_CLOCK: Clock = {
  nowMs: () => 1_767_323_045_000,
  now: () => ({ sec: 1_767_323_045, nsec: 6 }),
  monotonicMs: () => 0,
  after: () => () => undefined,
}

const ARENA_BYTES = 2 * 1024 * 1024
const OUT_BYTES = 64 * 1024

export interface Loopback {
  readonly session: MountSession
  /** Dispatches one request and returns the replies sent since the last call. */
  feed(request: Uint8Array): Buffer[]
  replies(): Buffer[]
  /** The result of sending a reply: 0, or a negative errno as from the kernel. */
  result: number
}

export function createLoopback(tree: Tree, options: Partial<SessionOptions> = {}): Loopback {
  const input = new Words(new ArrayBuffer(ARENA_BYTES), 0, ARENA_BYTES)
  const output = new Words(new ArrayBuffer(OUT_BYTES), 0, OUT_BYTES)
  let sent: Buffer[] = []
  const sink = {
    reply(length: number): number {
      sent.push(Buffer.from(output.bytes.subarray(0, length)))
      return loopback.result
    },
    replyWith(headLength: number, segments: readonly Uint8Array[]): number {
      const whole = Buffer.concat([output.bytes.subarray(0, headLength), ...segments])
      whole.writeUInt32LE(whole.length, 0)
      sent.push(whole)
      return loopback.result
    },
  }
  const sessionOptions = { writeback: false, checksPermissions: false, requestTimeoutSeconds: 600, ...options }
  const session = new MountSession(tree, { in: input, out: output, sink }, sessionOptions, silentLog)
  const loopback: Loopback = {
    session,
    result: 0,
    feed(request) {
      input.bytes.set(request, 0)
      dispatch(session, 0, request.length)
      return loopback.replies()
    },
    replies() {
      const taken = sent
      sent = []
      return taken
    },
  }
  return loopback
}

/** A request in the kernel's layout. */
export function encodeRequest(opcode: number, nodeId: number, body: Uint8Array, unique = 2): Buffer {
  const header = Buffer.alloc(40)
  header.writeUInt32LE(40 + body.length, 0)
  header.writeUInt32LE(opcode, 4)
  header.writeBigUInt64LE(BigInt(unique), 8)
  header.writeBigUInt64LE(BigInt(nodeId), 16)
  header.writeUInt32LE(1000, 24)
  header.writeUInt32LE(100, 28)
  header.writeUInt32LE(4242, 32)
  return Buffer.concat([header, body])
}

/** The INIT of a 7.45 kernel. Without it no other request is answered. */
export function encodeInit(): Buffer {
  const body = Buffer.alloc(64)
  body.writeUInt32LE(7, 0)
  body.writeUInt32LE(45, 4)
  body.writeUInt32LE(131072, 8)
  body.writeUInt32LE(0x73fffffb, 12)
  body.writeUInt32LE(0xfed, 16)
  return encodeRequest(26, 0, body)
}
