import { aborted, throwIfAborted } from '../base/index.js'

/**
 * Runs at most `width` tasks at once; urgent ones go first. A waiting task can be cancelled, a running one cannot.
 * (piscina ends the thread of a running task on abort; here the thread and its open segment are worth more than a few milliseconds.)
 */
export class JobQueue {
  readonly #width: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(width: number) {
    this.#width = width
  }

  get load(): number {
    return this.#running + this.#waiting.length
  }

  async run<T>(task: () => Promise<T>, options: { urgent: boolean; signal: AbortSignal | undefined }): Promise<T> {
    throwIfAborted(options.signal)
    if (this.#running >= this.#width) await this.#turn(options)
    else this.#running++
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }

  /** Resolves with the slot of a task that ended. */
  #turn({ urgent, signal }: { urgent: boolean; signal: AbortSignal | undefined }): Promise<void> {
    return new Promise((resolve, reject) => {
      const start = (): void => {
        signal?.removeEventListener('abort', give)
        resolve()
      }
      const give = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(start), 1)
        reject(aborted(signal))
      }
      signal?.addEventListener('abort', give, { once: true })
      if (urgent) this.#waiting.unshift(start)
      else this.#waiting.push(start)
    })
  }
}
