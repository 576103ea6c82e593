/** Steps that mostly complete synchronously: a promise is created only when there is something to wait for. */
import type { Maybe } from './tree.js'

/** `next(value)` at once, or after the promise. */
export function then<A, B>(value: Maybe<A>, next: (value: A) => Maybe<B>): Maybe<B> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/** Runs `attempt`. When it returns a wait, waits and runs it again, because the state may have changed meanwhile. */
export function settle<T>(attempt: () => T | Wait): Maybe<T> {
  const first = attempt()
  if (!(first instanceof Wait)) return first
  return settleLater(first, attempt)
}

/**
 * A wait before an attempt is repeated. A caller that cannot wait may drop it: the failure is handled here, and the
 * next attempt meets it again.
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
