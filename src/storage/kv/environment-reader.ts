/**
 * Snapshots of an environment that another thread of this process writes. lmdb-js shares one native environment per
 * path and process, so a snapshot is one LMDB read transaction: it is stable while the other thread commits.
 */
import { DriveError } from '../../base/index.js'
import type { Transaction } from 'lmdb'
import type { EnvironmentReader, RangeOptions, Snapshot, Table, TableOptions } from './contract.js'
import { CommittedRows, openNamed, openRoot, type Named, type Root } from './lmdb-database.js'
import { countReads } from './mapped-memory.js'
import type { RowSealer } from './record-sealer.js'

/**
 * @param path the environment's directory; its writer must have opened it and its tables before
 * @param sealer for sealed tables
 */
export function openEnvironmentReader(path: string, sealer?: RowSealer): EnvironmentReader {
  return new LmdbReader(path, sealer)
}

class LmdbReader implements EnvironmentReader {
  readonly #root: Root
  readonly #sealer: RowSealer | undefined
  readonly #databases = new Map<string, Named>()
  readonly #countRead: (bytes: number) => void
  #open = 0

  constructor(path: string, sealer: RowSealer | undefined) {
    this.#root = openRoot(path, 0x20000)
    this.#sealer = sealer
    this.#countRead = countReads(path)
  }

  snapshot(): Snapshot {
    // Opening a database ends the thread's current read transaction, so it must not happen while a snapshot is open.
    if (this.#open === 0) this.#openTables()
    this.#root.resetReadTxn()
    const transaction = this.#root.useReadTransaction()
    this.#open++
    return new LmdbSnapshot(this.#databases, this.#sealer, this.#countRead, transaction, () => this.#open--)
  }

  close(): Promise<void> {
    return this.#root.close()
  }

  #openTables(): void {
    this.#root.resetReadTxn()
    // LMDB keeps the names of its databases, NUL-terminated, as keys of the root database.
    const names = [...this.#root.getKeys()].map((key) => Buffer.from(key).toString('utf8').replace(/\0$/, ''))
    for (const name of names) {
      if (!this.#databases.has(name)) this.#databases.set(name, openNamed(this.#root, name))
    }
  }
}

class LmdbSnapshot implements Snapshot {
  #closed = false

  constructor(
    private readonly databases: ReadonlyMap<string, Named>,
    private readonly sealer: RowSealer | undefined,
    private readonly countRead: (bytes: number) => void,
    private readonly transaction: Transaction,
    private readonly onClose: () => void,
  ) {}

  table(name: string, { sealed = false, keyBytes }: TableOptions = {}): Pick<Table, 'get' | 'range' | 'keys'> {
    const database = this.databases.get(name)
    if (database === undefined)
      throw new DriveError('INTERNAL', `Table ${name} did not exist when the snapshot was taken.`)
    if (sealed && this.sealer === undefined)
      throw new DriveError('INTERNAL', `Table ${name} is sealed, and no sealer was given.`)
    const rows = new CommittedRows(database, name, sealed ? this.sealer : undefined, this.countRead, keyBytes)
    const live = (): Transaction => {
      if (this.#closed) throw new DriveError('INTERNAL', 'This snapshot is closed.')
      return this.transaction
    }
    return {
      get: (key) => rows.get(key, live()),
      range: (options: RangeOptions = {}) => rows.range(options, live()),
      keys: (options: RangeOptions = {}) => rows.keys(options, live()),
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.transaction.done()
    this.onClose()
  }
}
