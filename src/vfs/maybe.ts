/** Steps that mostly answer at once: a promise is paid for only where something must be waited for. */
import type { Maybe } from './tree.js'

/** `next(value)` at once, or after the promise. */
export function then<A, B>(value: Maybe<A>, next: (value: A) => Maybe<B>): Maybe<B> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/** Runs `attempt`; when it returns a wait, waits and runs it anew, because the world may have changed meanwhile. */
export function settle<T>(attempt: () => T | Wait): Maybe<T> {
  const first = attempt()
  if (!(first instanceof Wait)) return first
  return settleLater(first, attempt)
}

/**
 * Something to wait for before an attempt can be repeated. Who cannot wait may drop it and go another way: a failure
 * that nobody waits for is handled here, and the next attempt meets it again.
 */
export class Wait {
  constructor(readonly until: Promise<unknown>) {
    until.catch(ignore)
  }
}

const ignore = (): void => undefined

async function settleLater<T>(first: Wait, attempt: () => T | Wait): Promise<T> {
  let wait = first
  for (;;) {
    await wait.until
    const result = attempt()
    if (!(result instanceof Wait)) return result
    wait = result
  }
}
