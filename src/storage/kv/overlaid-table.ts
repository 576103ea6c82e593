/**
 * A table as seen by its writing thread: the newest rows, over the rows of a running commit, over the committed rows.
 */
import type { RangeOptions, Table } from './contract.js'
import { type CommittedRows, MAX_KEY_BYTES, type Named } from './lmdb-database.js'
import { latin1 } from '../../base/index.js'
import { copyOf, mergePending, overlayRows, type Row } from './merge-rows.js'
import { Overlay, type PendingRow } from './overlay.js'

export class OverlaidTable implements Table {
  open = new Overlay()
  frozen: Overlay | undefined

  constructor(
    readonly database: Named,
    readonly committed: CommittedRows,
    readonly isSealed: boolean,
  ) {}

  get(key: Uint8Array): Uint8Array | undefined {
    if (this.open.count > 0 || this.frozen !== undefined) {
      const text = latin1(key)
      const own = this.open.get(text)
      const pending = own === undefined ? this.frozen?.get(text) : own
      if (pending !== undefined) return pending === null ? undefined : copyOf(pending)
    }
    return this.committed.get(key)
  }

  get committedCount(): number {
    return this.committed.count
  }

  put(key: Uint8Array, value: Uint8Array): void {
    // Our own copy: the caller may reuse, transfer or share its memory (lmdb-js keeps raw pointers until the commit).
    this.open.set(checkedKey(key), copyOf(value))
  }

  give(key: Uint8Array, value: Buffer): void {
    this.open.set(checkedKey(key), value)
  }

  delete(key: Uint8Array): void {
    this.open.set(checkedKey(key), null)
  }

  range(options: RangeOptions = {}): Iterable<Row> {
    const pending = this.#pending(options)
    if (pending.length === 0) return this.committed.range(options)
    const { limit = Infinity, ...bounds } = options
    return overlayRows(pending, this.committed.range(bounds), limit, copyOf)
  }

  *keys(options: RangeOptions = {}): Generator<Uint8Array, undefined> {
    const pending = this.#pending(options)
    const { limit = Infinity, ...bounds } = options
    const committed = this.committed.keys(pending.length === 0 ? options : bounds)
    if (pending.length === 0) {
      yield* committed
      return
    }
    for (const [key] of overlayRows(pending, withoutValues(committed), limit, () => undefined)) yield key
  }

  /** In-memory rows that a range may need, in key order. */
  #pending({ start, end, limit = Infinity }: RangeOptions): readonly PendingRow[] {
    const from = start === undefined ? undefined : latin1(start)
    const to = end === undefined ? undefined : latin1(end)
    const newer = this.open.between(from, to, limit)
    // Each newer row may hide one older row.
    return mergePending(newer, this.frozen?.between(from, to, limit + newer.length) ?? [])
  }

  /**
   * Adds the open rows to the frozen ones, replacing rows left by a failed commit.
   * @returns whether there are any
   */
  freeze(): boolean {
    if (this.frozen === undefined) {
      if (this.open.count === 0) return false
      this.frozen = this.open
      this.open = new Overlay()
    } else if (this.open.count > 0) {
      for (const [key, value] of this.open.rows()) this.frozen.set(key, value)
      this.open = new Overlay()
    }
    return true
  }
}

function checkedKey(key: Uint8Array): string {
  if (key.length === 0 || key.length > MAX_KEY_BYTES) throw new RangeError('A key has 1 to 1,900 bytes.')
  return latin1(key)
}

function* withoutValues(keys: Iterable<Uint8Array>): Generator<readonly [key: Uint8Array, value: undefined]> {
  for (const key of keys) yield [key, undefined]
}
