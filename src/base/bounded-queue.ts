/** Bounded concurrency, in the two shapes it is needed: tasks that come one by one, and one task over many items. */
import { aborted, throwIfAborted } from './abort.js'

/** `urgent`: before everything that waits. `signal`: a waiting task can be cancelled, a running one cannot. */
export interface QueueOptions {
  readonly urgent?: boolean
  readonly signal?: AbortSignal | undefined
}

/** Runs at most `width` tasks at once, in the order they came; urgent ones go first. */
export class BoundedQueue {
  readonly #width: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(width: number) {
    this.#width = width
  }

  /** Tasks that run or wait. */
  get load(): number {
    return this.#running + this.#waiting.length
  }

  /** Rejects with what the task throws, or with ABORTED while it still waits. */
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

  /** Resolves with the slot of a task that ended. */
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
 * Does `work` for every item, at most `width` at once; items are taken when there is room for them. After a failure no
 * more are taken, and when those under way have ended, the first failure is thrown.
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
