/** An environment in memory that can crash: uncommitted rows are lost. For tests of sync. */
import type { Environment, EnvironmentReader, RangeOptions, Snapshot, Table } from '../../../src/storage/kv/index.js'

type Rows = ReadonlyMap<string, Uint8Array>

export class MemoryEnvironment implements Environment {
  readonly path = ':memory:'
  #committed = new Map<string, Rows>()
  readonly #overlays = new Map<string, Map<string, Uint8Array | undefined>>()

  get pendingCount(): number {
    return [...this.#overlays.values()].reduce((sum, { size }) => sum + size, 0)
  }

  pendingBytes = 0
  /** The most bytes that were ever pending. */
  mostPendingBytes = 0

  #add(bytes: number): void {
    this.pendingBytes += bytes
    this.mostPendingBytes = Math.max(this.mostPendingBytes, this.pendingBytes)
  }

  table(name: string): Table {
    const overlay = (): Map<string, Uint8Array | undefined> => {
      let rows = this.#overlays.get(name)
      if (rows === undefined) this.#overlays.set(name, (rows = new Map<string, Uint8Array | undefined>()))
      return rows
    }
    const committed = (): number => this.#committed.get(name)?.size ?? 0
    return {
      get committedCount() {
        return committed()
      },
      get: (key) => {
        const text = latin1(key)
        const value = overlay().has(text) ? overlay().get(text) : this.#committed.get(name)?.get(text)
        return value && value.slice()
      },
      put: (key, value) => {
        this.#add(key.length + value.length)
        overlay().set(latin1(key), value.slice())
      },
      give: (key, value) => {
        this.#add(key.length + value.length)
        overlay().set(latin1(key), value)
      },
      delete: (key) => {
        this.#add(key.length)
        overlay().set(latin1(key), undefined)
      },
      range: (options) => {
        const rows = new Map(this.#committed.get(name))
        for (const [key, value] of overlay()) {
          if (value === undefined) rows.delete(key)
          else rows.set(key, value)
        }
        return rangeOf(rows, options)
      },
      keys(options) {
        return [...this.range(options)].map(([key]) => key)
      },
    }
  }

  async commit(): Promise<void> {
    const next = new Map(this.#committed)
    for (const [name, overlay] of this.#overlays) {
      const rows = new Map(next.get(name))
      for (const [key, value] of overlay) {
        if (value === undefined) rows.delete(key)
        else rows.set(key, value)
      }
      next.set(name, rows)
    }
    this.crash()
    this.#committed = next
  }

  close(): Promise<void> {
    this.crash()
    return Promise.resolve()
  }

  /** Simulates the death of the process: uncommitted writes are lost. */
  crash(): void {
    this.#overlays.clear()
    this.pendingBytes = 0
  }

  /** The environment that a process finds after the death of this one. */
  committedCopy(): MemoryEnvironment {
    const copy = new MemoryEnvironment()
    copy.#committed = this.#committed
    return copy
  }

  reader(): EnvironmentReader {
    const snapshot = (): Snapshot => {
      const frozen = this.#committed
      return {
        table: (name) => ({
          get: (key) => frozen.get(name)?.get(latin1(key))?.slice(),
          range: (options) => rangeOf(frozen.get(name) ?? new Map(), options),
          keys: (options) => [...rangeOf(frozen.get(name) ?? new Map(), options)].map(([key]) => key),
        }),
        close: () => undefined,
      }
    }
    return { snapshot, close: () => Promise.resolve() }
  }
}

function* rangeOf(rows: Rows, options: RangeOptions = {}): Generator<readonly [Uint8Array, Uint8Array]> {
  const start = options.start === undefined ? '' : latin1(options.start)
  const end = options.end === undefined ? undefined : latin1(options.end)
  const keys = [...rows.keys()].filter((key) => key >= start && (end === undefined || key < end)).sort()
  for (const key of keys.slice(0, options.limit)) yield [Buffer.from(key, 'latin1'), rows.get(key)!.slice()]
}

function latin1(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}
