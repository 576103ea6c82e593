/** Cache entries that the kernel must drop, because something other than the kernel changed them. */
import type { Invalidation } from '../tree.js'

export class Invalidations {
  readonly #listeners: ((what: Invalidation) => void)[] = []

  listen(listener: (what: Invalidation) => void): void {
    this.#listeners.push(listener)
  }

  send(what: Invalidation): void {
    for (const listener of this.#listeners) listener(what)
  }
}
