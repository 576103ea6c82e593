/**
 * A loopback HTTP proxy in front of a real daemon that injects faults on demand. Other traffic passes unchanged,
 * including trailers and `Expect: 100-continue`.
 */
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Transform } from 'node:stream'

export interface Fault {
  /** Only requests whose path (without `/api/v0/`) starts with this. */
  readonly path?: string
  /** Number of requests that fail; later ones pass. Default: until `heal`. */
  readonly times?: number
  readonly kind:
    | { readonly dropUploadAfterBytes: number }
    /** Cuts the connection; with `cleanly` the answer ends as if it were complete. */
    | { readonly truncateAnswerAfterBytes: number; readonly cleanly?: boolean }
    /** `{arg}` in the body stands for the argument of the request. */
    | { readonly status: number; readonly body?: string }
    /** Flips one bit of the answer's body, which makes it a wrong block. */
    | { readonly damageAnswer: true }
    /** Delays the answer; if longer than the client's timeout, the node hangs. */
    | { readonly delayMs: number }
    /** Runs to its end before the request is passed on. */
    | { readonly before: () => Promise<unknown> }
}

export interface FaultProxy {
  readonly url: string
  /** Number of faults injected so far. */
  readonly hits: number
  /** Requested paths, in order, without `/api/v0/`. */
  readonly requests: readonly string[]
  /** Called with the bytes of the request body passed on so far. */
  onUpload: ((bytes: number) => void) | undefined
  inject(fault: Fault): void
  /**
   * The n-th call from now reaches the daemon. Its answer and all later calls are lost.
   * @returns resolves when the connection is cut
   */
  cutAfter(calls: number): Promise<void>
  heal(): void
  /** Refuses connections and cuts open ones. */
  goDown(): Promise<void>
  comeBack(): Promise<void>
  close(): Promise<void>
}

/** @param target `http://127.0.0.1:PORT` of the real daemon @param tls PEM texts: the proxy then uses https */
export async function startFaultProxy(target: string, tls?: { key: string; cert: string }): Promise<FaultProxy> {
  const proxy = new Proxy(new URL(target), tls)
  await proxy.comeBack()
  return proxy
}

class Proxy implements FaultProxy {
  hits = 0
  readonly requests: string[] = []
  onUpload: ((bytes: number) => void) | undefined
  readonly #target: URL
  readonly #tls: { key: string; cert: string } | undefined
  #server: Server | undefined
  #port = 0
  #fault: Fault | undefined
  #left = 0
  #cut: { left: number; readonly done: () => void } | undefined

  constructor(target: URL, tls: { key: string; cert: string } | undefined) {
    this.#target = target
    this.#tls = tls
  }

  get url(): string {
    return `${this.#tls === undefined ? 'http' : 'https'}://127.0.0.1:${this.#port}`
  }

  inject(fault: Fault): void {
    this.#fault = fault
    this.#left = fault.times ?? Infinity
  }

  heal(): void {
    this.#fault = undefined
    this.#cut = undefined
  }

  cutAfter(calls: number): Promise<void> {
    return new Promise((done) => {
      this.#cut = { left: calls, done }
    })
  }

  async goDown(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeAllConnections()
    await closed
  }

  async comeBack(): Promise<void> {
    const serve = (incoming: IncomingMessage, answer: ServerResponse): void => this.#serve(incoming, answer, false)
    const server = this.#tls === undefined ? createServer(serve) : createTlsServer(this.#tls, serve)
    server.on('checkContinue', (incoming, answer) => this.#serve(incoming, answer, true))
    server.requestTimeout = 0
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#port, '127.0.0.1', resolve)
    })
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
  }

  close(): Promise<void> {
    return this.goDown()
  }

  #serve(incoming: IncomingMessage, answer: ServerResponse, expectsContinue: boolean): void {
    const path = (incoming.url ?? '').replace(/^\/api\/v0\//, '')
    const cut = this.#cut
    if (cut !== undefined && --cut.left < 0) return void incoming.socket.destroy()
    this.requests.push(path)
    if (cut?.left === 0) return this.#forward(incoming, answer, expectsContinue, undefined, cut.done)
    const fault = this.#faultFor(path)
    if (fault !== undefined && 'status' in fault) {
      answer
        .writeHead(fault.status, { 'content-type': 'text/plain', connection: 'close' })
        .end(
          (fault.body ?? 'injected fault').replace('{arg}', new URLSearchParams(path.split('?')[1]).get('arg') ?? ''),
        )
      return
    }
    if (fault !== undefined && 'before' in fault) {
      const pass = (): void => this.#forward(incoming, answer, expectsContinue, undefined)
      return void fault.before().then(pass, pass)
    }
    const wait = fault !== undefined && 'delayMs' in fault ? fault.delayMs : 0
    const timer = setTimeout(() => this.#forward(incoming, answer, expectsContinue, fault), wait)
    // On the answer instead of the socket: a keep-alive socket carries many answers, and each would leave a listener.
    answer.once('close', () => clearTimeout(timer))
  }

  #forward(
    incoming: IncomingMessage,
    answer: ServerResponse,
    expectsContinue: boolean,
    fault: Fault['kind'] | undefined,
    onLast?: () => void,
  ): void {
    const cut = (): void => {
      incoming.socket.destroy()
      onLast?.()
    }
    const upstream = request({
      host: this.#target.hostname,
      port: this.#target.port,
      method: incoming.method,
      path: incoming.url,
      headers: incoming.headers,
      agent: false,
    })
    upstream.on('error', cut)
    incoming.on('error', () => upstream.destroy())
    answer.on('close', () => upstream.destroy())
    upstream.on('response', (response) => {
      if (onLast !== undefined) return void response.resume().once('close', cut)
      answer.writeHead(response.statusCode ?? 502, response.headers)
      answer.flushHeaders()
      response.on('error', cut)
      response.on('aborted', cut)
      response.on('end', () => {
        if (!response.complete) return
        if (Object.keys(response.trailers).length > 0) answer.addTrailers(response.trailers)
      })
      response.pipe(disturb(fault, cut)).pipe(answer)
    })
    const send = (): void => void incoming.pipe(this.#meter(fault, cut)).pipe(upstream)
    if (!expectsContinue) return send()
    upstream.flushHeaders()
    upstream.on('continue', () => {
      answer.writeContinue()
      send()
    })
  }

  /** Counts the request body, and cuts it at the fault. */
  #meter(fault: Fault['kind'] | undefined, cut: () => void): Transform {
    let bytes = 0
    const limit = fault !== undefined && 'dropUploadAfterBytes' in fault ? fault.dropUploadAfterBytes : Infinity
    return new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        bytes += chunk.byteLength
        this.onUpload?.(bytes)
        if (bytes > limit) cut()
        else done(null, chunk)
      },
    })
  }

  #faultFor(path: string): Fault['kind'] | undefined {
    const fault = this.#fault
    if (fault === undefined || this.#left <= 0 || !path.startsWith(fault.path ?? '')) return undefined
    this.#left--
    this.hits++
    return fault.kind
  }
}

function disturb(fault: Fault['kind'] | undefined, cut: () => void): Transform {
  let bytes = 0
  let damaged = false
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (fault !== undefined && 'damageAnswer' in fault && !damaged && chunk.byteLength > 0) {
        damaged = true
        chunk = Buffer.from(chunk)
        chunk[chunk.byteLength >> 1]! ^= 1
      }
      if (fault !== undefined && 'truncateAnswerAfterBytes' in fault) {
        const room = Math.max(0, fault.truncateAnswerAfterBytes - bytes)
        bytes += chunk.byteLength
        if (chunk.byteLength > room) {
          if (room > 0) this.push(chunk.subarray(0, room))
          if (fault.cleanly === true) {
            this.push(null)
            done()
          } else {
            setImmediate(cut) // not done: otherwise a short answer would end before the cut
          }
          return
        }
      }
      done(null, chunk)
    },
  })
}
