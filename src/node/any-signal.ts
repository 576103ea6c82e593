/** Combines several abort signals into one. */
import { sharedAbort } from '../base/index.js'

/**
 * Runs `work` with a signal that fires with the first of `signals`. Listens only while `work` runs: AbortSignal.any
 * keeps long-lived signals and their dependents alive on Node 20 (https://github.com/nodejs/node/issues/54614).
 */
export async function withAnySignal<T>(
  signals: readonly (AbortSignal | undefined)[],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = sharedAbort()
  const listeners = signals
    .filter((signal) => signal !== undefined)
    .map((signal) => ({ signal, onAbort: () => stop.abort(signal.reason) }))
  for (const { signal, onAbort } of listeners) {
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
  }
  try {
    return await work(stop.signal)
  } finally {
    for (const { signal, onAbort } of listeners) signal.removeEventListener('abort', onAbort)
  }
}
