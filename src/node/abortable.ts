/** A source of blocks that can be left at once, even when it is stuck. */
import { aborted } from '../base/index.js'

/** Yields what `source` yields; rejects with ABORTED as soon as the signal fires. */
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
    // A stuck source would never return: it is told, not waited for.
    if (!isOver) void Promise.resolve(iterator.return?.()).catch(() => undefined)
  }
}
