/**
 * One LMDB environment with one writing thread. Writes live in overlays, which reads include. A commit freezes the
 * overlays (overlaid-table.ts), seals their rows and writes them in one durable transaction (see lmdb-database.ts).
 * Frozen rows stay readable until they are committed, and after a failure until a later commit succeeds.
 */
import { setImmediate } from 'node:timers/promises'
import { DriveError, type Log } from '../../base/index.js'
import type { Environment, Table, TableOptions } from './contract.js'
import { missingFormatRow } from './environment-format.js'
import { CommittedRows, openNamed, openRoot, type Named, type Root } from './lmdb-database.js'
import { countReads, MappedMemory } from './mapped-memory.js'
import { writeFailure } from '../../platform/index.js'
import { OverlaidTable } from './overlaid-table.js'
import type { RowSealer } from './record-sealer.js'
import { SealMemory } from './seal-memory.js'

/** The owner's work around each commit. */
export interface CommitHook {
  /** Called right before the overlay is frozen, unless it is empty; rows put here belong to this commit. */
  freezing?(): void
  /**
   * Awaited after the freeze and before the transaction, for data that must be durable first. A rejection fails the
   * commit.
   */
  frozen?(): Promise<void>
  /** Called right after the transaction became durable, before any waiting caller continues. */
  committed?(): void
}

export interface EnvironmentOptions {
  /** A directory, created when absent. */
  readonly path: string
  /** Needed for sealed tables. */
  readonly sealer?: RowSealer
  readonly log: Log
  /** Initial bytes of address space; it grows automatically. */
  readonly mapSize?: number
  readonly commitHook?: CommitHook
}

const DEFAULT_MAP_BYTES = 1024 * 1024 * 1024
/** Rows sealed between two turns of the event loop: about 2 ms. */
const ROWS_PER_TURN = 500

/** Opens or creates the environment. The caller ensures that there is one writer per path. */
export function openEnvironment(options: EnvironmentOptions): Environment {
  return new LmdbEnvironment(options)
}

class LmdbEnvironment implements Environment {
  readonly path: string
  readonly #root: Root
  readonly #mapped: MappedMemory
  readonly #countRead: (bytes: number) => void
  /** Set until it is durable. */
  #formatRow: SealedRow | undefined
  readonly #options: EnvironmentOptions
  readonly #tables = new Map<string, OverlaidTable>()
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined
  #closed = false
  /** Of the running commit. */
  #sealed = new SealMemory()

  constructor(options: EnvironmentOptions) {
    this.path = options.path
    this.#options = options
    this.#root = openRoot(options.path, options.mapSize ?? DEFAULT_MAP_BYTES)
    this.#mapped = new MappedMemory(options.path)
    this.#countRead = countReads(options.path)
    this.#formatRow = missingFormatRow(this.#root)
  }

  table(name: string, { sealed = false, keyBytes }: TableOptions = {}): Table {
    const known = this.#tables.get(name)
    if (known !== undefined) {
      if (known.isSealed !== sealed)
        throw new DriveError('INTERNAL', `Table ${name} is requested as both sealed and not sealed.`)
      return known
    }
    const { sealer } = this.#options
    if (sealed && sealer === undefined)
      throw new DriveError('INTERNAL', `Table ${name} is sealed, and no sealer was given.`)
    const database = openNamed(this.#root, name)
    const table = new OverlaidTable(
      database,
      new CommittedRows(database, name, sealed ? sealer : undefined, this.#countRead, keyBytes),
      sealed,
    )
    this.#tables.set(name, table)
    return table
  }

  get pendingCount(): number {
    return sum(this.#tables.values(), (table) => table.open.count + (table.frozen?.count ?? 0))
  }

  get pendingBytes(): number {
    return sum(this.#tables.values(), (table) => table.open.bytes + (table.frozen?.bytes ?? 0))
  }

  commit(): Promise<void> {
    if (this.#closed) return Promise.reject(new DriveError('INTERNAL', 'The environment is closed.'))
    if (this.#running === undefined) return this.#start()
    if (sum(this.#tables.values(), (table) => table.open.count) === 0) return this.#running
    const again = (): Promise<void> => {
      this.#next = undefined
      return this.commit()
    }
    return (this.#next ??= this.#running.then(again, again))
  }

  async close(): Promise<void> {
    // A commit that was asked for ends first. Only the owner knows when its rows are whole, so none begins here.
    while (this.#running !== undefined) await this.#running.catch(() => undefined)
    if (this.#closed) return
    this.#closed = true
    this.#mapped.close()
    await this.#root.close()
  }

  #start(): Promise<void> {
    if (this.pendingCount === 0) return Promise.resolve()
    const run = this.#write()
    const done = (): void => {
      if (this.#running === run) this.#running = undefined
    }
    this.#running = run
    run.then(done, done)
    return run
  }

  async #write(): Promise<void> {
    const { commitHook, log, path } = this.#options
    commitHook?.freezing?.()
    const tables = [...this.#tables.values()].filter((table) => table.freeze())
    const bytes = sum(tables, (table) => table.frozen?.bytes ?? 0)
    try {
      await commitHook?.frozen?.()
      const rows = await seal(tables, this.#sealed)
      const touched = this.#mapped.hurry()
      await this.#transact(this.#formatRow === undefined ? rows : [this.#formatRow, ...rows]).finally(touched)
    } catch (error) {
      this.#sealed = new SealMemory() // LMDB may still refer to the memory of a failed transaction
      const failure = writeFailure(error, path, 2 * bytes)
      log.warn('a commit of local data failed', { code: failure.code, bytes })
      throw failure
    }
    this.#formatRow = undefined
    this.#sealed.reuse()
    // This thread's read transaction may be older than the commit. After this line reads see the commit, so the overlay
    // can be dropped.
    this.#root.resetReadTxn()
    for (const table of tables) table.frozen = undefined
    commitHook?.committed?.()
  }

  async #transact(rows: readonly SealedRow[]): Promise<void> {
    try {
      await this.#root.batch(() => {
        for (const { database, key, value } of rows) {
          if (value === undefined) void database.remove(key)
          else void database.put(key, value)
        }
      })
    } catch (error) {
      // lmdb-js rejects a second, inner promise with the native error; unhandled, it would end the process.
      const inner = (error as { commitError?: Promise<never> }).commitError
      if (inner === undefined) throw error
      throw await inner.catch((cause: unknown) => cause)
    }
  }
}

interface SealedRow {
  readonly database: Named
  readonly key: Buffer
  readonly value: Uint8Array | undefined
}

/** Frozen rows in stored form, in key order per table (LMDB inserts ordered keys faster). */
async function seal(tables: readonly OverlaidTable[], memory: SealMemory): Promise<SealedRow[]> {
  const rows: SealedRow[] = []
  const take = (bytes: number): Buffer => memory.take(bytes)
  let sealed = 0
  for (const table of tables) {
    for (const [text, plain] of table.frozen!.between(undefined, undefined)) {
      for (const [key, value] of table.committed.stored(Buffer.from(text, 'latin1'), plain, take))
        rows.push({ database: table.database, key, value })
      if (table.isSealed && ++sealed % ROWS_PER_TURN === 0) await setImmediate()
    }
  }
  return rows
}

function sum<T>(items: Iterable<T>, amount: (item: T) => number): number {
  let total = 0
  for (const item of items) total += amount(item)
  return total
}
