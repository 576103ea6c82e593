/** Merges committed rows and pending layers into one ordered sequence. */
import { latin1 } from '../../base/index.js'
import type { PendingRow } from './overlay.js'

export type Row = readonly [key: Uint8Array, value: Uint8Array]

/** Merges two ordered lists of pending rows; if both have a key, `newer` wins. */
export function mergePending(newer: readonly PendingRow[], older: readonly PendingRow[]): readonly PendingRow[] {
  if (older.length === 0) return newer
  if (newer.length === 0) return older
  const merged: PendingRow[] = []
  let i = 0
  for (const row of older) {
    while (i < newer.length && newer[i]![0] < row[0]) merged.push(newer[i++]!)
    if (i < newer.length && newer[i]![0] === row[0]) merged.push(newer[i++]!)
    else merged.push(row)
  }
  while (i < newer.length) merged.push(newer[i++]!)
  return merged
}

/**
 * Merges pending rows over committed ones, both in key order. Deleted rows are left out; yields at most `limit` rows.
 * @param valueOf converts a pending row
 */
export function* overlayRows<Value>(
  pending: readonly PendingRow[],
  committed: Iterable<readonly [key: Uint8Array, value: Value]>,
  limit: number,
  valueOf: (value: Buffer) => Value,
): Generator<readonly [key: Uint8Array, value: Value], undefined> {
  const toRow = ([key, value]: PendingRow): readonly [Uint8Array, Value] | undefined =>
    value === null ? undefined : [Buffer.from(key, 'latin1'), valueOf(value)]
  let left = limit
  let i = 0
  if (left <= 0) return
  for (const row of committed) {
    const key = latin1(row[0])
    for (; i < pending.length && pending[i]![0] < key; i++) {
      const made = toRow(pending[i]!)
      if (made === undefined) continue
      yield made
      if (--left <= 0) return
    }
    const same = i < pending.length && pending[i]![0] === key ? toRow(pending[i++]!) : row
    if (same === undefined) continue
    yield same
    if (--left <= 0) return
  }
  for (; i < pending.length; i++) {
    const made = toRow(pending[i]!)
    if (made === undefined) continue
    yield made
    if (--left <= 0) return
  }
}

/** A copy, which the caller may change. */
export const copyOf = (value: Uint8Array): Buffer => Buffer.from(value)
