/**
 * Reads blocks from the node. Concurrency is bounded, concurrent reads of one block share one fetch, and every block is
 * verified. For a while after the node was unreachable, reads fail at once.
 */
import {
  aborted,
  BoundedQueue,
  DriveError,
  hex,
  isDriveError,
  throwIfAborted,
  type Clock,
  type Digest,
} from '../../base/index.js'
import { cidOf, type FetchBlock } from '../../dag/index.js'
import type { IpfsNode } from '../../node/index.js'
import type { Core } from '../../pipeline/index.js'
import { requireBytesOf } from '../lying-node/wrong-bytes.js'
import type { NodeHealth } from '../schedule/node-health.js'

export interface NodeReaderOptions {
  readonly node: Pick<IpfsNode, 'getBlock'>
  readonly core: Pick<Core, 'sha256'>
  readonly clock: Clock
  readonly concurrentFetches: number
  readonly offlineMs: number
  /** Is told how each call to the node ended. */
  readonly health?: Pick<NodeHealth, 'answered' | 'failed'>
}

interface InFlight {
  readonly bytes: Promise<Uint8Array>
  readonly stop: AbortController
  waiting: number
}

export class NodeReader {
  readonly #options: NodeReaderOptions
  readonly #queue: BoundedQueue
  readonly #inFlight = new Map<string, InFlight>()
  #offlineUntilMs = -Infinity
  #offline: DriveError | undefined

  constructor(options: NodeReaderOptions) {
    this.#options = options
    this.#queue = new BoundedQueue(options.concurrentFetches)
  }

  readonly fetch: FetchBlock = (digest, codec, signal) => {
    const { clock } = this.#options
    if (signal?.aborted === true) return Promise.reject(aborted(signal))
    if (this.#offline !== undefined && clock.monotonicMs() < this.#offlineUntilMs) return Promise.reject(this.#offline)
    const name = `${codec}/${hex(digest)}`
    let shared = this.#inFlight.get(name)
    if (shared === undefined) this.#inFlight.set(name, (shared = this.#start(name, digest, codec)))
    return this.#join(name, shared, signal)
  }

  /** Raw blocks, in the order of the request. */
  async fetchBlocks(digests: readonly Digest[], signal?: AbortSignal): Promise<Uint8Array[]> {
    throwIfAborted(signal)
    return Promise.all(digests.map((digest) => this.fetch(digest, 'raw', signal)))
  }

  /** The node answered, so reads no longer fail at once. */
  online(): void {
    this.#offline = undefined
  }

  /** Cancels every running fetch. */
  close(): void {
    for (const { stop } of this.#inFlight.values()) stop.abort()
  }

  #start(name: string, digest: Digest, codec: 'raw' | 'dag-pb'): InFlight {
    const stop = new AbortController()
    const bytes = this.#queue
      .run(() => this.#load(digest, codec, stop.signal))
      .finally(() => {
        if (this.#inFlight.get(name) === shared) this.#inFlight.delete(name)
      })
    // Each waiting reader gets the error. If all were cancelled, nobody handles it, so it is caught here.
    bytes.catch(() => undefined)
    const shared: InFlight = { bytes, stop, waiting: 0 }
    return shared
  }

  /** When its last reader is cancelled, the fetch stops. */
  #join(name: string, shared: InFlight, signal: AbortSignal | undefined): Promise<Uint8Array> {
    shared.waiting++
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        signal?.removeEventListener('abort', onAbort)
        if (--shared.waiting > 0) return
        if (this.#inFlight.get(name) === shared) this.#inFlight.delete(name)
        shared.stop.abort()
      }
      const onAbort = (): void => {
        leave()
        reject(aborted(signal))
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      shared.bytes.then(
        (bytes) => {
          signal?.removeEventListener('abort', onAbort)
          resolve(bytes)
        },
        (error: Error) => {
          signal?.removeEventListener('abort', onAbort)
          reject(error)
        },
      )
    })
  }

  async #load(digest: Digest, codec: 'raw' | 'dag-pb', signal: AbortSignal): Promise<Uint8Array> {
    const { node, core } = this.#options
    throwIfAborted(signal)
    try {
      const bytes = await node.getBlock(cidOf(digest, codec), { signal })
      requireBytesOf(digest, bytes, core)
      this.#offline = undefined
      this.#options.health?.answered()
      return bytes
    } catch (error) {
      this.#options.health?.failed(error)
      if (isDriveError(error, 'OFFLINE') || isDriveError(error, 'TIMEOUT')) this.#failFast(error)
      throw error
    }
  }

  #failFast(error: DriveError): void {
    const { clock, offlineMs } = this.#options
    this.#offline = new DriveError('OFFLINE', 'The node cannot be reached right now.', { cause: error })
    this.#offlineUntilMs = clock.monotonicMs() + offlineMs
  }
}
