/**
 * The names on the node that need a person's attention: those whose record is ignored, and those that cannot be moved.
 * Kept as they were last seen, for the status only.
 */
import type { CheckedHeads } from './check-heads.js'
import type { IgnoredHead } from './credible.js'
import { ignoredHead, unmovableName } from './refusals.js'

type Name = IgnoredHead['name']

export class NameNotices {
  readonly #ignored = new Map<Name, IgnoredHead>()
  readonly #unmovable = new Set<Name>()

  /** The heads were read. */
  saw({ ignored, named, names }: Pick<CheckedHeads, 'ignored' | 'named' | 'names'>): void {
    for (const name of names) this.#ignored.delete(name)
    for (const head of ignored) this.#ignored.set(head.name, head)
    if (named !== undefined) this.#unmovable.delete('drive')
  }

  /** A record was put, and the node returned it or not. */
  put(name: Name, isMoved: boolean): void {
    if (isMoved) this.#unmovable.delete(name)
    else this.#unmovable.add(name)
  }

  /** The last put of the name failed for good. */
  isUnmovable(name: Name): boolean {
    return this.#unmovable.has(name)
  }

  /** As sentences, the drive name first. */
  get sentences(): readonly string[] {
    const unmovable = [...this.#unmovable].filter((name) => !this.#ignored.has(name))
    return [...[...this.#ignored.values()].map(ignoredHead), ...unmovable.map(unmovableName)]
  }
}
