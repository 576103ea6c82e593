/**
 * Calls between two threads over a MessagePort, in both directions. Arguments and results are plain data, errors are
 * DriveErrors, and abort signals are forwarded. It does not know the methods.
 */
import type { MessagePort, Worker } from 'node:worker_threads'
import { aborted, DriveError, fromWire, toWire, type WireError, sharedAbort } from '../../base/index.js'

// A method of any signature. The typed interface checks the arguments.
export type Handler = (...given: never[]) => unknown
export type Handlers = Readonly<Record<string, Handler>>

type Message =
  | { readonly kind: 'call'; readonly id: number; readonly method: string; readonly given: readonly unknown[] }
  | { readonly kind: 'abort'; readonly id: number }
  | { readonly kind: 'done'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly error: WireError }

interface Waiting {
  resolve(value: unknown): void
  reject(error: DriveError): void
  settle(): void
}

/** An answer whose buffers are transferred instead of copied. The handler must not use them afterwards. */
class Transferred {
  constructor(
    readonly value: unknown,
    readonly buffers: readonly ArrayBuffer[],
  ) {}
}

/** For bytes that nothing else uses any more. Bytes in a larger buffer are copied as usual. */
export function transfer(bytes: readonly (Uint8Array | undefined)[]): Transferred {
  const buffers = new Set<ArrayBuffer>()
  for (const one of bytes) {
    if (one?.buffer instanceof ArrayBuffer && one.byteLength === one.buffer.byteLength) buffers.add(one.buffer)
  }
  return new Transferred(bytes, [...buffers])
}

/** Like `transfer`, for one array that owns its buffer. */
export function transferOne(bytes: Uint8Array): Transferred {
  return new Transferred(bytes, [bytes.buffer as ArrayBuffer])
}

export interface Rpc {
  /** @param given structured-cloneable; an AbortSignal as the last argument is forwarded */
  call(method: string, given: readonly unknown[]): Promise<unknown>
  /** Rejects all calls in flight, and every later call, with `reason`. */
  fail(reason: DriveError): void
  close(): void
}

/** @param handlers the methods that the other side may call; an AbortSignal follows their arguments */
export function connectRpc(port: MessagePort | Worker, handlers: Handlers): Rpc {
  let nextId = 1
  let broken: DriveError | undefined
  const waiting = new Map<number, Waiting>()
  const running = new Map<number, AbortController>()

  const run = async (id: number, method: string, given: readonly unknown[]): Promise<void> => {
    const abort = sharedAbort()
    // One call may fetch many blocks at once, and each adds a listener.
    running.set(id, abort)
    let reply: Message
    let buffers: readonly ArrayBuffer[] = []
    try {
      const handler = handlers[method] as ((...given: unknown[]) => unknown) | undefined
      if (handler === undefined) throw new DriveError('INTERNAL', `There is no method ${method}.`)
      const value = await handler(...given, abort.signal)
      const isHandover = value instanceof Transferred
      if (isHandover) buffers = value.buffers
      reply = { kind: 'done', id, value: isHandover ? value.value : value }
    } catch (error) {
      reply = { kind: 'failed', id, error: toWire(error) }
    }
    running.delete(id)
    try {
      port.postMessage(reply, buffers)
    } catch (error) {
      // An answer that cannot be cloned is a bug here, but the caller must still get an answer.
      port.postMessage({ kind: 'failed', id, error: toWire(error) } satisfies Message)
    }
  }

  const receive = (message: Message): void => {
    if (message.kind === 'call') void run(message.id, message.method, message.given)
    else if (message.kind === 'abort') running.get(message.id)?.abort()
    else {
      const caller = waiting.get(message.id)
      if (caller === undefined) return
      waiting.delete(message.id)
      caller.settle()
      if (message.kind === 'done') caller.resolve(message.value)
      else caller.reject(fromWire(message.error))
    }
  }
  port.on('message', receive)

  return {
    call(method, given) {
      if (broken !== undefined) return Promise.reject(broken)
      const last = given.at(-1)
      const signal = last instanceof AbortSignal ? last : undefined
      if (signal?.aborted) return Promise.reject(aborted(signal))
      const id = nextId++
      const plain = last instanceof AbortSignal || last === undefined ? given.slice(0, -1) : given
      return new Promise((resolve, reject) => {
        const onAbort = (): void => port.postMessage({ kind: 'abort', id } satisfies Message)
        signal?.addEventListener('abort', onAbort, { once: true })
        waiting.set(id, { resolve, reject, settle: () => signal?.removeEventListener('abort', onAbort) })
        port.postMessage({ kind: 'call', id, method, given: plain } satisfies Message)
      })
    },
    fail(reason) {
      broken = reason
      for (const caller of waiting.values()) {
        caller.settle()
        caller.reject(reason)
      }
      waiting.clear()
    },
    close() {
      port.off('message', receive)
    },
  }
}

/** A typed proxy for the other side's methods `names`. */
export function remoteMethods<Face>(rpc: Rpc, names: readonly (keyof Face & string)[]): Face {
  return Object.fromEntries(names.map((name) => [name, (...given: unknown[]) => rpc.call(name, given)])) as Face
}
