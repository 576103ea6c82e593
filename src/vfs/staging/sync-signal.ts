/**
 * Wakes sync, which sleeps while there is nothing for it: told once of what its last look did not find, then silent
 * until it has looked and found nothing again. A busy drive sends no stream of messages, and an idle one none at all.
 */
import type { DriveCounts } from '../../tree-state/index.js'

export class SyncSignal {
  readonly #hasTold = { changes: false, shortage: false }
  readonly #tell: () => void

  constructor(tell: () => void) {
    this.#tell = tell
  }

  /** There is a change that no version has. */
  changed(): void {
    if (this.#hasTold.changes) return
    this.#hasTold.changes = true
    this.#tell()
  }

  /** A write was refused for lack of space. */
  refused(): void {
    if (this.#hasTold.shortage) return
    this.#hasTold.shortage = true
    this.#tell()
  }

  /** What somebody was answered: what is over is told anew when it comes again. */
  answered({ dirtyInodes, isShortOfSpace }: Pick<DriveCounts, 'dirtyInodes' | 'isShortOfSpace'>): void {
    if (dirtyInodes === 0) this.#hasTold.changes = false
    if (!isShortOfSpace) this.#hasTold.shortage = false
  }
}
