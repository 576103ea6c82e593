/**
 * Signals that ask the daemon to end. One that comes while the daemon starts is kept until the drive can be closed: by
 * default it would kill the process, and leave the mount of a killed daemon to nobody.
 */
export interface EndSignals {
  /** From now on, `listener` gets each signal, and one that came before. */
  listen(listener: (signal: NodeJS.Signals) => void): void
}

/** Called once, before anything else. */
export function catchEndSignals(target: Pick<NodeJS.Process, 'on'>): EndSignals {
  let kept: NodeJS.Signals | undefined
  let deliver = (signal: NodeJS.Signals): void => {
    kept ??= signal
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) target.on(signal, () => deliver(signal))
  return {
    listen(listener) {
      deliver = listener
      if (kept !== undefined) listener(kept)
    },
  }
}
