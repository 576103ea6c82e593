/** Bounded concurrency in two forms: a queue for tasks that arrive one by one, and one function over many items. */
import { aborted, throwIfAborted } from './abort.js'

/** `urgent`: runs before all waiting tasks. `signal`: a waiting task can be cancelled, a running one cannot. */
export interface QueueOptions {
  readonly urgent?: boolean
  readonly signal?: AbortSignal | undefined
}

/** Runs at most `width` tasks at once, in order of arrival; urgent tasks go first. */
export class BoundedQueue {
  readonly #width: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(width: number) {
    this.#width = width
  }

  /** The number of running and waiting tasks. */
  get load(): number {
    return this.#running + this.#waiting.length
  }

  /** Rejects with the task's error, or with ABORTED if the signal fires while the task waits. */
  async run<T>(task: () => Promise<T>, options: QueueOptions = {}): Promise<T> {
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

  /** Resolves when a finished task frees a slot. */
  #turn({ urgent = false, signal }: QueueOptions): Promise<void> {
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

/**
 * Runs `work` for every item, at most `width` at once. An item is taken only when a slot is free. After a failure no
 * more items are taken; when the running ones have ended, the first failure is thrown.
 */
export async function forEachBounded<Item>(
  items: Iterable<Item>,
  width: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const source = items[Symbol.iterator]()
  let failure: { readonly error: unknown } | undefined
  const worker = async (): Promise<void> => {
    try {
      while (failure === undefined) {
        const next = source.next()
        if (next.done === true) return
        await work(next.value)
      }
    } catch (error) {
      failure ??= { error }
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
  if (failure === undefined) return
  source.return?.()
  throw failure.error
}
