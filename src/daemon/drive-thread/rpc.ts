/**
 * Calls between two threads over a MessagePort, both ways: plain data in, plain data or a DriveError out, a cancelled
 * signal carried across. Knows nothing of what is called.
 */
import { setMaxListeners } from 'node:events'
import type { MessagePort, Worker } from 'node:worker_threads'
import { aborted, DriveError, fromWire, toWire, type WireError } from '../../base/index.js'

// A method of any signature; arguments are checked where the typed interface is used.
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

/** An answer whose buffers go over instead of being copied; the handler must not use them any more. */
class Handover {
  constructor(
    readonly value: unknown,
    readonly buffers: readonly ArrayBuffer[],
  ) {}
}

/** Fresh bytes that nobody here looks at any more; those that share their memory with others are copied as usual. */
export function handOver(bytes: readonly (Uint8Array | undefined)[]): Handover {
  const buffers = new Set<ArrayBuffer>()
  for (const one of bytes) {
    if (one?.buffer instanceof ArrayBuffer && one.byteLength === one.buffer.byteLength) buffers.add(one.buffer)
  }
  return new Handover(bytes, [...buffers])
}

/** As `handOver`, for one piece that has its memory to itself. */
export function handOverAlone(bytes: Uint8Array): Handover {
  return new Handover(bytes, [bytes.buffer as ArrayBuffer])
}

export interface Rpc {
  /** @param given structured-cloneable; an AbortSignal as the last one is carried as a signal */
  call(method: string, given: readonly unknown[]): Promise<unknown>
  /** Rejects everything in flight, and every later call, with `reason`. */
  fail(reason: DriveError): void
  close(): void
}

/** @param handlers what the other side may call; an AbortSignal is passed after the given arguments */
export function connectRpc(port: MessagePort | Worker, handlers: Handlers): Rpc {
  let nextId = 1
  let broken: DriveError | undefined
  const waiting = new Map<number, Waiting>()
  const running = new Map<number, AbortController>()

  const run = async (id: number, method: string, given: readonly unknown[]): Promise<void> => {
    const abort = new AbortController()
    // One call may fetch many blocks at once, each listening.
    setMaxListeners(0, abort.signal)
    running.set(id, abort)
    let reply: Message
    let buffers: readonly ArrayBuffer[] = []
    try {
      const handler = handlers[method] as ((...given: unknown[]) => unknown) | undefined
      if (handler === undefined) throw new DriveError('INTERNAL', `There is no method ${method}.`)
      const value = await handler(...given, abort.signal)
      const isHandover = value instanceof Handover
      if (isHandover) buffers = value.buffers
      reply = { kind: 'done', id, value: isHandover ? value.value : value }
    } catch (error) {
      reply = { kind: 'failed', id, error: toWire(error) }
    }
    running.delete(id)
    try {
      port.postMessage(reply, buffers)
    } catch (error) {
      // An answer that cannot be cloned is our own mistake; the caller must not wait for ever.
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

/** A typed face for the other side's methods `names`. */
export function remoteMethods<Face>(rpc: Rpc, names: readonly (keyof Face & string)[]): Face {
  return Object.fromEntries(names.map((name) => [name, (...given: unknown[]) => rpc.call(name, given)])) as Face
}
