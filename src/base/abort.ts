import { DriveError } from './errors.js'

/** Throws ABORTED when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal)
}

/** The error every cancelled call rejects with. */
export function aborted(signal?: AbortSignal): DriveError {
  return new DriveError('ABORTED', 'The operation was cancelled.', { cause: signal?.reason as unknown })
}

/** Resolves after `delayMs`, or rejects with ABORTED at once when the signal fires. */
export function sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(aborted(signal))
      return
    }
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(aborted(signal))
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, delayMs)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
