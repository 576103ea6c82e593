/**
 * How this project opens LMDB, and the reading half of a named database. lmdb-js 3.5.6; the options and their reasons:
 *
 * - `keyEncoding` and `encoding` binary: keys are our own bytes, values are ours too, nothing guesses.
 * - `overlappingSync: false`: a transaction is synced *before* it becomes visible (mdb_txn_commit: mdb_env_sync0,
 *   then the meta page), so a failed commit was never seen. With overlapping sync it is visible first and the sync may
 *   fail after.
 * - no `noSync`, no `useWritemap` (SIGBUS on a full disk), no `noMemInit` (stale heap bytes, perhaps plaintext, in
 *   the file).
 * - `safeRestore`: harmless here, and keeps an environment once opened with overlapping sync on its last flushed state.
 * - `batch(callback)` encloses its operations in one start-block … block-end; the writer thread ends a transaction only
 *   at block depth 0 (writer.cpp, NO_INSTRUCTION_YET), aborts it whole when one operation fails, and sets
 *   TXN_COMMITTED, which resolves the promise, only after mdb_txn_commit returned. So one batch is one atomic, durable
 *   transaction.
 * - `eventTurnBatching: false`: otherwise each turn's own enclosing block makes a promise nobody holds, and a failed
 *   commit ends the process with an unhandled rejection. Every write of ours is in a batch anyway.
 * - The root database only holds the names of the others: it is never cleared (lmdb-js #317).
 */
import { makeDurableDirectory, writeFailure } from '../../platform/index.js'
import { open } from 'lmdb'
import type { Database, RangeOptions as LmdbRange, RootDatabase, Transaction } from 'lmdb'
import type { RangeOptions } from './contract.js'
import type { Row } from './merge-rows.js'
import { openOrMake, requireDatabase, requireDatabaseFiles } from './require-database.js'
import { rowAad, type RowSealer } from './record-sealer.js'
import { restKey, splitRows, storedLimit, wholeKeys, wholeRows, wholeValue, type StoredRow } from './split-values.js'

export type Root = RootDatabase<Uint8Array, Uint8Array>
export type Named = Database<Uint8Array, Uint8Array>

/** The transaction to read in; missing in lmdb's own types. */
interface FastReader {
  getBinaryFast(key: Uint8Array, options?: { transaction: Transaction }): Uint8Array | undefined
}

export const MAX_KEY_BYTES = 1900
const DATABASE = { encoding: 'binary', keyEncoding: 'binary' } as const

/** @param mapSize initial bytes of address space; the map grows automatically */
export function openRoot(path: string, mapSize: number): Root {
  makeDurableDirectory(path)
  requireDatabaseFiles(path)
  return openOrMake(path, () => {
    requireDatabase(path)
    return openWritable(path, mapSize)
  })
}

function openWritable(path: string, mapSize: number): Root {
  try {
    return open<Uint8Array, Uint8Array>({
      path,
      ...DATABASE,
      noSubdir: false,
      overlappingSync: false,
      eventTurnBatching: false,
      maxDbs: 32,
      mapSize,
      ...{ safeRestore: true, remapChunks: false },
    })
  } catch (error) {
    // A new one writes its first pages. LMDB's error has a number of its own in place of a system code.
    const failure = writeFailure(error, path, 0)
    throw failure.code === 'NO_SPACE' ? failure : error
  }
}

export function openNamed(root: Root, name: string): Named {
  return root.openDB(name, { ...DATABASE })
}

/** Reads of one named database; decrypts values of a sealed table. Values are newly allocated copies. */
export class CommittedRows {
  readonly #database: Named & FastReader
  readonly #sealer: RowSealer | undefined
  readonly #place: (key: Uint8Array) => Uint8Array
  readonly #onRead: (bytes: number) => void
  readonly #keyBytes: number | undefined

  /**
   * @param sealer undefined for a plain table
   * @param onRead called with the size of each value that was read, 0 for none; see `countReads`
   * @param keyBytes of a table whose values may be split
   */
  constructor(
    database: Named,
    name: string,
    sealer: RowSealer | undefined,
    onRead: (bytes: number) => void,
    keyBytes: number | undefined,
  ) {
    this.#database = database
    this.#sealer = sealer
    this.#place = rowAad(name)
    this.#onRead = onRead
    this.#keyBytes = keyBytes
  }

  get(key: Uint8Array, transaction?: Transaction): Uint8Array | undefined {
    const first = this.#read(key, transaction)
    this.#onRead(first?.byteLength ?? 0)
    if (first === undefined) return undefined
    const value = this.#keyBytes === undefined ? first : wholeValue(first, () => this.#read(restKey(key), transaction))
    return this.#sealer === undefined ? Buffer.from(value) : this.#sealer.open(this.#place(key), value)
  }

  /** A stored row, valid until the next read. */
  #read(key: Uint8Array, transaction: Transaction | undefined): Uint8Array | undefined {
    // lmdb-js patches `length` of a 16 MiB buffer that the next read overwrites: only this length may be used, and only
    // at once.
    const shared = this.#database.getBinaryFast(key, transaction === undefined ? undefined : { transaction })
    return shared?.subarray(0, shared.length)
  }

  *range(options: RangeOptions, transaction?: Transaction): Generator<Row, undefined> {
    const keyBytes = this.#keyBytes
    if (keyBytes !== undefined) {
      const stored = this.#database.getRange(rangeOf(storedRange(options), transaction))
      for (const [key, value] of wholeRows(stored, keyBytes, options.limit)) {
        this.#onRead(value.byteLength)
        yield [key, this.#opened(key, value)]
      }
      return
    }
    for (const { key, value } of this.#database.getRange(rangeOf(options, transaction))) {
      this.#onRead(value.byteLength)
      yield [key, this.#opened(key, value)]
    }
  }

  #opened(key: Uint8Array, value: Uint8Array): Uint8Array {
    return this.#sealer === undefined ? value : this.#sealer.open(this.#place(key), value)
  }

  get count(): number {
    return (this.#database.getStats() as { entryCount: number }).entryCount
  }

  *keys(options: RangeOptions, transaction?: Transaction): Generator<Uint8Array, undefined> {
    const keyBytes = this.#keyBytes
    const range = keyBytes === undefined ? options : storedRange(options)
    const keys = this.#database.getKeys(rangeOf(range, transaction))
    for (const key of keyBytes === undefined ? keys : wholeKeys(keys, keyBytes, options.limit)) {
      this.#onRead(0)
      yield key
    }
  }

  /**
   * The rows to write, in memory that does not change until the commit.
   * @param value null: removed
   * @param take memory for a sealed value
   */
  stored(key: Buffer, value: Buffer | null, take: (bytes: number) => Buffer): readonly StoredRow[] {
    const bytes =
      value === null ? undefined : this.#sealer === undefined ? value : this.#sealer.seal(this.#place(key), value, take)
    return this.#keyBytes === undefined ? [[key, bytes]] : splitRows(key, bytes)
  }
}

function storedRange(options: RangeOptions): RangeOptions {
  return options.limit === undefined ? options : { ...options, limit: storedLimit(options.limit) }
}

/** As lmdb-js takes it. */
function rangeOf({ start, end, limit }: RangeOptions, transaction: Transaction | undefined): LmdbRange {
  return {
    ...(start === undefined ? {} : { start }),
    ...(end === undefined ? {} : { end }),
    ...(limit === undefined ? {} : { limit }),
    ...(transaction === undefined ? {} : { transaction }),
  }
}
