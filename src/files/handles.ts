/**
 * Handles for objects that a client keeps open across calls. Their number is bounded, so a client that never closes
 * cannot fill the memory.
 */
import { DriveError } from '../base/index.js'

const MOST_OPEN = 4096

export class OpenNumbers<Kept> {
  readonly #kept = new Map<number, Kept>()
  #next = 1

  /** BUSY when too many are open. */
  add(kept: Kept): number {
    if (this.#kept.size >= MOST_OPEN) throw new DriveError('BUSY', 'Too many files are open at once.')
    this.#kept.set(this.#next, kept)
    return this.#next++
  }

  /** BAD_HANDLE for an unknown number. */
  get(number: number): Kept {
    const kept = this.#kept.get(number)
    if (kept === undefined) throw new DriveError('BAD_HANDLE', 'The file handle is not open.')
    return kept
  }

  take(number: number): Kept | undefined {
    const kept = this.#kept.get(number)
    this.#kept.delete(number)
    return kept
  }

  takeAll(): Kept[] {
    const all = [...this.#kept.values()]
    this.#kept.clear()
    return all
  }
}
