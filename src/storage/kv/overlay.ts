/**
 * Writes of one table that are not in LMDB yet. Keys are held as latin1 strings, whose order is byte order. Rows with
 * keys over 8 bytes are grouped by their first 8 bytes (an inode), so that a range inside one inode never looks at others.
 */

/** A value, or null for a deleted row. */
export type Pending = Buffer | null
export type PendingRow = readonly [key: string, value: Pending]

interface Group {
  readonly rows: Map<string, Pending>
  /** Keys in order; undefined after a new key. */
  sorted: string[] | undefined
}

const GROUP_BYTES = 8

export class Overlay {
  readonly #short: Group = { rows: new Map(), sorted: undefined }
  readonly #groups = new Map<string, Group>()
  #count = 0
  #bytes = 0

  /** Rows held. */
  get count(): number {
    return this.#count
  }

  /** Bytes of keys and values held. */
  get bytes(): number {
    return this.#bytes
  }

  /** undefined: nothing pending for this key; null: deleted. */
  get(key: string): Pending | undefined {
    if (key.length <= GROUP_BYTES) return this.#short.rows.get(key)
    return this.#groups.get(key.slice(0, GROUP_BYTES))?.rows.get(key)
  }

  set(key: string, value: Pending): void {
    const group = key.length <= GROUP_BYTES ? this.#short : this.#groupOf(key.slice(0, GROUP_BYTES))
    const before = group.rows.get(key)
    if (before === undefined) {
      // Rows that are walked in order and deleted on the way stay in order.
      const last = group.sorted?.at(-1)
      if (last !== undefined && key > last) group.sorted!.push(key)
      else group.sorted = undefined
      this.#count++
      this.#bytes += key.length
    } else if (before !== null) this.#bytes -= before.length
    if (value !== null) this.#bytes += value.length
    group.rows.set(key, value)
  }

  /** Every row, in no order. */
  *rows(): Iterable<PendingRow> {
    yield* this.#short.rows
    for (const group of this.#groups.values()) yield* group.rows
  }

  /** Rows from `start` up to but without `end`, in key order; undefined means unbounded. */
  between(start: string | undefined, end: string | undefined): PendingRow[] {
    if (this.#count === 0) return []
    const found: PendingRow[] = []
    this.#collect(this.#short, start, end, found)
    const only = singleGroup(start, end)
    if (only !== undefined) {
      const group = this.#groups.get(only)
      const mixed = found.length > 0
      if (group !== undefined) this.#collect(group, start, end, found)
      return mixed ? found.sort(byKey) : found
    }
    for (const [prefix, group] of this.#groups) {
      if (end !== undefined && prefix >= end) continue
      if (start !== undefined && prefix < start.slice(0, GROUP_BYTES)) continue
      this.#collect(group, start, end, found)
    }
    return found.sort(byKey)
  }

  #collect(group: Group, start: string | undefined, end: string | undefined, into: PendingRow[]): void {
    if (group.rows.size === 0) return
    const keys = (group.sorted ??= [...group.rows.keys()].sort())
    for (let i = start === undefined ? 0 : firstAtLeast(keys, start); i < keys.length; i++) {
      const key = keys[i]!
      if (end !== undefined && key >= end) break
      into.push([key, group.rows.get(key)!])
    }
  }

  #groupOf(prefix: string): Group {
    let group = this.#groups.get(prefix)
    if (group === undefined) this.#groups.set(prefix, (group = { rows: new Map(), sorted: undefined }))
    return group
  }
}

/** The one group a range can touch: both ends in it, or `end` is the next 8-byte prefix. */
function singleGroup(start: string | undefined, end: string | undefined): string | undefined {
  if (start === undefined || end === undefined || start.length < GROUP_BYTES) return undefined
  const prefix = start.slice(0, GROUP_BYTES)
  if (end.startsWith(prefix) || (end.length === GROUP_BYTES && end === nextPrefix(prefix))) return prefix
  return undefined
}

function nextPrefix(prefix: string): string | undefined {
  let at = prefix.length - 1
  while (at >= 0 && prefix.charCodeAt(at) === 255) at--
  if (at < 0) return undefined
  return prefix.slice(0, at) + String.fromCharCode(prefix.charCodeAt(at) + 1) + '\0'.repeat(prefix.length - 1 - at)
}

function firstAtLeast(keys: readonly string[], wanted: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keys[middle]! < wanted) low = middle + 1
    else high = middle
  }
  return low
}

const byKey = (a: PendingRow, b: PendingRow): number => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0)
