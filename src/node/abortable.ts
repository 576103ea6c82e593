/** Wraps a source of blocks so that an abort takes effect at once, even when the source is stuck. */
import { aborted } from '../base/index.js'

/** Yields the items of `source`; rejects with ABORTED as soon as the signal fires. */
export async function* abortable<T>(
  source: AsyncIterable<T> | Iterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  let onAbort: () => void = () => undefined
  const listener = (): void => onAbort()
  signal.addEventListener('abort', listener)
  let isOver = false
  try {
    for (;;) {
      if (signal.aborted) throw aborted(signal)
      const step = Promise.resolve(iterator.next())
      step.catch(() => (isOver = true))
      const next = await new Promise<IteratorResult<T, unknown>>((resolve, reject) => {
        onAbort = () => reject(aborted(signal))
        step.then(resolve, reject)
      })
      if (next.done === true) {
        isOver = true
        return
      }
      yield next.value
    }
  } finally {
    signal.removeEventListener('abort', listener)
    // Awaiting `return` of a stuck source would hang, so it is called but not awaited.
    if (!isOver) void Promise.resolve(iterator.return?.()).catch(() => undefined)
  }
}
