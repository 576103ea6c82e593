/** Callers that wait for a publish. */
import { aborted } from '../../base/index.js'

export interface PublishRequest {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class Requests {
  #waiting: readonly PublishRequest[] = []

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** The callers that wait now; later ones are not included. */
  get all(): readonly PublishRequest[] {
    return this.#waiting
  }

  /** Resolved or rejected by `settle`, or rejected with ABORTED by the signal. */
  add(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        signal?.removeEventListener('abort', onAbort)
        this.#waiting = this.#waiting.filter((each) => each !== request)
      }
      const request: PublishRequest = {
        resolve: () => (end(), resolve()),
        reject: (error) => (end(), reject(error)),
      }
      const onAbort = (): void => request.reject(aborted(signal))
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting = [...this.#waiting, request]
    })
  }

  settle(error: Error | undefined, requests: readonly PublishRequest[] = this.#waiting): void {
    for (const { resolve, reject } of requests) {
      if (error === undefined) resolve()
      else reject(error)
    }
  }
}
