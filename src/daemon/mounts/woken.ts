/** Waits until another part calls one of a set of functions. */
import { aborted } from '../../base/index.js'

/** Adds a function to the set, and resolves when it is called. */
export function woken(waiting: Set<() => void>, signal: AbortSignal): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const settle = (): void => {
      waiting.delete(wake)
      signal.removeEventListener('abort', onAbort)
    }
    const wake = (): void => {
      settle()
      resolve()
    }
    const onAbort = (): void => {
      settle()
      reject(aborted(signal))
    }
    waiting.add(wake)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
  })
}
