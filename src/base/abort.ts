import { setMaxListeners } from 'node:events'
import { systemClock, type Clock } from './clock.js'
import { DriveError } from './errors.js'

/** For a signal that any number of calls listen to at once. By default, Node warns of a leak from the eleventh on. */
export function sharedAbort(): AbortController {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  return controller
}

/** Throws ABORTED when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal)
}

/** The error every cancelled call rejects with. */
export function aborted(signal?: AbortSignal): DriveError {
  return new DriveError('ABORTED', 'The operation was cancelled.', { cause: signal?.reason as unknown })
}

/** Resolves after `delayMs`, or rejects with ABORTED at once when the signal fires. */
export function sleep(delayMs: number, signal?: AbortSignal, clock: Pick<Clock, 'after'> = systemClock): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(aborted(signal))
      return
    }
    const onAbort = (): void => {
      cancel()
      reject(aborted(signal))
    }
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Rejects with ABORTED if the signal fires first; `work` continues. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => {
    // After an abort nobody waits for `work`, so its failure is ignored.
  })
  if (signal.aborted) return Promise.reject(aborted(signal))
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(aborted(signal))
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
