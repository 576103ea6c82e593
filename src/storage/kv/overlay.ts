/**
 * Writes of one table that are not in LMDB yet. Keys are stored as latin1 strings, whose order is byte order. New keys
 * are sorted at the first range, into stretches of bounded length: a range visits only its own rows, and as few as it
 * may return.
 */
import { lowerBound } from '../../base/index.js'

/** A value, or null for a deleted row. */
export type Pending = Buffer | null
export type PendingRow = readonly [key: string, value: Pending]

const STRETCH = 256
/** If more than this share of the keys is new, all are sorted together. */
const MANY = 1 / 8

export class Overlay {
  readonly #rows = new Map<string, Pending>()
  /** Every key except the fresh ones, ascending; no stretch is empty. */
  #stretches: string[][] = []
  #fresh: string[] = []
  #bytes = 0

  /** Number of rows. */
  get count(): number {
    return this.#rows.size
  }

  /** Bytes of keys and values. */
  get bytes(): number {
    return this.#bytes
  }

  /** undefined: nothing is pending for this key; null: deleted. */
  get(key: string): Pending | undefined {
    return this.#rows.get(key)
  }

  set(key: string, value: Pending): void {
    const before = this.#rows.get(key)
    if (before === undefined) {
      this.#fresh.push(key)
      this.#bytes += key.length
    } else if (before !== null) this.#bytes -= before.length
    if (value !== null) this.#bytes += value.length
    this.#rows.set(key, value)
  }

  /** Every row, in any order. */
  rows(): Iterable<PendingRow> {
    return this.#rows
  }

  /**
   * Rows from `start` to `end` (exclusive), in key order; undefined means unbounded.
   * @param puts it may end after this many rows that are not deletions
   */
  between(start: string | undefined, end: string | undefined, puts = Infinity): PendingRow[] {
    if (this.#rows.size === 0 || puts <= 0) return []
    this.#arrange()
    const found: PendingRow[] = []
    let left = puts
    let at = start === undefined ? 0 : stretchOf(this.#stretches, start)
    let i = start === undefined || at === this.#stretches.length ? 0 : firstAtLeast(this.#stretches[at]!, start)
    for (; at < this.#stretches.length; at++, i = 0) {
      const keys = this.#stretches[at]!
      for (; i < keys.length; i++) {
        const key = keys[i]!
        if (end !== undefined && key >= end) return found
        const value = this.#rows.get(key)!
        found.push([key, value])
        if (value !== null && --left <= 0) return found
      }
    }
    return found
  }

  #arrange(): void {
    const fresh = this.#fresh
    if (fresh.length === 0) return
    this.#fresh = []
    if (fresh.length > this.#rows.size * MANY) {
      this.#stretches = cut([...this.#rows.keys()].sort())
      return
    }
    for (const key of fresh) this.#insert(key)
  }

  #insert(key: string): void {
    const at = Math.min(stretchOf(this.#stretches, key), this.#stretches.length - 1)
    const keys = this.#stretches[at]!
    keys.splice(firstAtLeast(keys, key), 0, key)
    if (keys.length >= 2 * STRETCH) this.#stretches.splice(at, 1, ...cut(keys))
  }
}

function cut(keys: readonly string[]): string[][] {
  const stretches: string[][] = []
  for (let at = 0; at < keys.length; at += STRETCH) stretches.push(keys.slice(at, at + STRETCH))
  return stretches
}

/** The first stretch with a key that is at least `wanted`. */
function stretchOf(stretches: readonly string[][], wanted: string): number {
  return lowerBound(stretches.length, (i) => stretches[i]!.at(-1)! >= wanted)
}

function firstAtLeast(keys: readonly string[], wanted: string): number {
  return lowerBound(keys.length, (i) => keys[i]! >= wanted)
}
