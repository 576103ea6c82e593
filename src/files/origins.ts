/**
 * Finds the author of a change. The tree reports changes afterwards and without their author. So a client's call notes
 * the change it is about to make, and the matching report gets its origin. All other changes came from the kernel.
 */
import type { Change } from '../vfs/index.js'

const KERNEL = 'kernel'
const MOST_NOTED = 1000

type Kind = Change['kind']

export class Origins {
  readonly #noted = new Map<string, string>()
  #isNoting = false

  /** Notes are needed only while somebody listens to the tree's reports. */
  set isNoting(value: boolean) {
    this.#isNoting = value
    if (!value) this.#noted.clear()
  }

  note(kind: Kind, where: { readonly parent: number; readonly name: string }, origin: string): void {
    if (!this.#isNoting) return
    // A failed call leaves its note behind, so the oldest notes are dropped.
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
