/** A set of whole numbers as runs without gaps. A run takes the same memory whatever its length. Pure. */

export class KeyRuns {
  /** Starts, ascending; run `i` is `starts[i] … ends[i]`. Runs neither overlap nor touch. */
  readonly #starts: number[] = []
  readonly #ends: number[] = []

  /** Number of runs. */
  get count(): number {
    return this.#starts.length
  }

  /** The end of the run with `key`; undefined when it is not in the set. */
  endOf(key: number): number | undefined {
    const at = this.#firstEndingAfter(key)
    return at < this.#starts.length && this.#starts[at]! <= key ? this.#ends[at] : undefined
  }

  /** The first number of the set at or after `key`. */
  next(key: number): number | undefined {
    const start = this.#starts[this.#firstEndingAfter(key)]
    return start === undefined ? undefined : Math.max(start, key)
  }

  /** Adds `from … to`. @returns how many of them are new */
  add(from: number, to: number): number {
    // A run that ends at `from` is extended.
    const first = this.#firstEndingAfter(from - 1)
    let known = 0
    let [start, end] = [from, to]
    let last = first
    for (; last < this.#starts.length && this.#starts[last]! <= to; last++) {
      known += Math.max(0, Math.min(to, this.#ends[last]!) - Math.max(from, this.#starts[last]!))
      start = Math.min(start, this.#starts[last]!)
      end = Math.max(end, this.#ends[last]!)
    }
    this.#starts.splice(first, last - first, start)
    this.#ends.splice(first, last - first, end)
    return to - from - known
  }

  /** Removes `from … to`; `to` may be Infinity. @returns how many of them were in the set */
  remove(from: number, to: number): number {
    const first = this.#firstEndingAfter(from)
    let removed = 0
    const left: [start: number, end: number][] = []
    let last = first
    for (; last < this.#starts.length && this.#starts[last]! < to; last++) {
      const [start, end] = [this.#starts[last]!, this.#ends[last]!]
      removed += Math.min(end, to) - Math.max(start, from)
      if (start < from) left.push([start, from])
      if (end > to) left.push([to, end])
    }
    if (last > first) {
      this.#starts.splice(first, last - first, ...left.map(([start]) => start))
      this.#ends.splice(first, last - first, ...left.map(([, end]) => end))
    }
    return removed
  }

  /** Index of the first run that ends after `key`. */
  #firstEndingAfter(key: number): number {
    let low = 0
    let high = this.#ends.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#ends[middle]! > key) high = middle
      else low = middle + 1
    }
    return low
  }
}
