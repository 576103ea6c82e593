/**
 * Wakes sync, which sleeps while there are no changes. It sends one signal, then none until sync has asked and found no
 * changes. So a busy drive sends no stream of messages, and an idle one sends none.
 */
import type { DriveCounts } from '../../tree-state/index.js'

export class SyncSignal {
  readonly #hasTold = { changes: false, shortage: false }
  readonly #tell: () => void

  constructor(tell: () => void) {
    this.#tell = tell
  }

  /** There is an unpublished change. */
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

  /** Sync got this answer. A condition that ended is signalled again when it returns. */
  answered({ dirtyInodes, isShortOfSpace }: Pick<DriveCounts, 'dirtyInodes' | 'isShortOfSpace'>): void {
    if (dirtyInodes === 0) this.#hasTold.changes = false
    if (!isShortOfSpace) this.#hasTold.shortage = false
  }
}
