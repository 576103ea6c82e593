/**
 * A streamed multipart body. It starts when the node sends `100 Continue`, so a refusal (a wrong key) arrives before
 * any data is sent. It stops when the node responds early. The writer waits while the socket is full.
 */
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { SendPatience } from './send-patience.js'

/** Servers without support for `Expect` wait for the body (RFC 9110, 10.1.1). */
const CONTINUE_MS = 2000

export interface Body {
  readonly headers: Readonly<Record<string, string | number>>
  readonly waitsForContinue: boolean
  chunks(): AsyncIterable<Uint8Array>
  /** The error of the byte source, if it threw: the caller's failure, not the node's. */
  failure(): Error | undefined
}

/** One file of a multipart form, streamed. @param boundary random, so that the bytes do not contain it */
export function streamedFile(name: string, source: AsyncIterable<Uint8Array>, boundary: string): Body {
  let failed: Error | undefined
  return {
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}`, expect: '100-continue' },
    waitsForContinue: true,
    failure: () => failed,
    async *chunks() {
      yield partHead(name, boundary)
      try {
        yield* source
      } catch (error) {
        failed = error instanceof Error ? error : new Error('the source of the upload failed', { cause: error })
        throw failed
      }
      yield partEnd(boundary)
    },
  }
}

/** A small body that is sent at once. */
export function smallFile(name: string, bytes: Uint8Array, boundary: string): Body {
  const form = Buffer.concat([partHead(name, boundary), bytes, partEnd(boundary)])
  return {
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}`, 'content-length': form.byteLength },
    waitsForContinue: false,
    failure: () => undefined,
    async *chunks() {
      yield form
    },
  }
}

function partHead(name: string, boundary: string): Buffer {
  return Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${name}"\r\n` +
      'Content-Type: application/octet-stream\r\n\r\n',
  )
}

function partEnd(boundary: string): Buffer {
  return Buffer.from(`\r\n--${boundary}--\r\n`)
}

/**
 * Resolves when the body is sent or no longer needed; rejects when its source fails. A failure of the connection
 * rejects `answered`.
 */
export async function sendBody(
  request: ClientRequest,
  body: Body,
  answered: Promise<IncomingMessage>,
  { onBegin, patience }: { readonly onBegin: () => void; readonly patience: SendPatience },
): Promise<void> {
  const end = new EarlyEnd(answered)
  if (body.waitsForContinue) {
    request.flushHeaders()
    if ((await end.or(continued(request))) === ENDED) return
  }
  onBegin()
  const chunks = body.chunks()[Symbol.asyncIterator]()
  for (;;) {
    const next = await end.or(chunks.next())
    if (next === ENDED) {
      // Awaiting `return` of a stuck source would hang, so it is called but not awaited.
      void chunks.return?.()?.catch(() => undefined)
      return
    }
    if (next.done === true) break
    if (request.write(next.value)) continue
    if ((await patience.during(end.or(drained(request)), next.value.byteLength)) === ENDED) {
      await chunks.return?.()
      return
    }
  }
  request.end()
}

const ENDED = Symbol('the response arrived, or the connection ended, before the body was sent')

/** Waits for one event or for the end of the call, without accumulating handlers on the long-lived promise. */
class EarlyEnd {
  #ended = false
  #wake: () => void = () => undefined

  constructor(answered: Promise<unknown>) {
    const end = (): void => {
      this.#ended = true
      this.#wake()
    }
    answered.then(end, end)
  }

  or<T>(step: Promise<T>): Promise<T | typeof ENDED> {
    if (this.#ended) {
      step.catch(() => undefined)
      return Promise.resolve(ENDED)
    }
    return new Promise((resolve, reject) => {
      this.#wake = () => resolve(ENDED)
      step.then(resolve, reject)
    })
  }
}

function continued(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, CONTINUE_MS)
    const done = (): void => {
      clearTimeout(timer)
      resolve()
    }
    request.once('continue', done)
    request.once('close', done)
  })
}

function drained(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => request.once('drain', resolve))
}
