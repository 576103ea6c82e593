/**
 * Who made a change. The tree tells of changes after they happened and not who asked; a client's call notes what it is
 * about to change, and the tree's report of exactly that carries its origin. Everything else came from the kernel.
 */
import type { Change } from '../vfs/index.js'

export const KERNEL = 'kernel'
const MOST_NOTED = 1000

type Kind = Change['kind']

export class Origins {
  readonly #noted = new Map<string, string>()
  #isNoting = false

  /** Notes are worth something only while the tree's report of the change is heard. */
  set isNoting(value: boolean) {
    this.#isNoting = value
    if (!value) this.#noted.clear()
  }

  note(kind: Kind, where: { readonly parent: number; readonly name: string }, origin: string): void {
    if (!this.#isNoting) return
    // A call that failed leaves its note; the oldest go.
    if (this.#noted.size >= MOST_NOTED) {
      for (const key of this.#noted.keys()) {
        this.#noted.delete(key)
        break
      }
    }
    this.#noted.set(keyOf(kind, where), origin)
  }

  take(change: Change): string {
    if (change.kind === 'changed') return KERNEL
    const key = keyOf(change.kind, change.kind === 'moved' ? change.to : change.at)
    const origin = this.#noted.get(key)
    if (origin === undefined) return KERNEL
    this.#noted.delete(key)
    return origin
  }
}

const keyOf = (kind: Kind, { parent, name }: { readonly parent: number; readonly name: string }): string =>
  `${kind} ${String(parent)} ${name}`
