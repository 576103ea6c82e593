/** Reads and clears tables, with a bounded number of rows at a time. */
import { MIB } from '../../base/index.js'
import type { Environment, Table } from './contract.js'

const ROWS_A_PAGE = 4096
/** A row may have 100 KiB. A page ends with the row that reaches this. */
const BYTES_A_PAGE = MIB
const ROWS_A_COMMIT = 20_000

/**
 * All rows in key order, some thousands or 1 MiB at a time, so that the table may change and be committed in between:
 * rows added after the cursor are seen, rows added before it are not.
 */
export function* pagesOf(
  table: Pick<Table, 'range'>,
  options: { start?: Uint8Array; end?: Uint8Array; pageRows?: number } = {},
): Generator<(readonly [key: Uint8Array, value: Uint8Array])[]> {
  const limit = options.pageRows ?? ROWS_A_PAGE
  let start = options.start
  for (;;) {
    const bounds = { ...(start && { start }), ...(options.end && { end: options.end }), limit }
    const rows: (readonly [Uint8Array, Uint8Array])[] = []
    let bytes = 0
    for (const row of table.range(bounds)) {
      rows.push(row)
      if ((bytes += row[1].length) >= BYTES_A_PAGE) break
    }
    if (rows.length > 0) yield rows
    const last = rows.at(-1)
    if (last === undefined || (rows.length < limit && bytes < BYTES_A_PAGE)) return
    start = Buffer.concat([last[0], Buffer.of(0)])
  }
}

/** The same, row by row. */
export function* rowsIn(
  table: Pick<Table, 'range'>,
  options: { start?: Uint8Array; end?: Uint8Array; pageRows?: number } = {},
): Generator<readonly [key: Uint8Array, value: Uint8Array], undefined> {
  for (const rows of pagesOf(table, options)) yield* rows
}

/** Keys in order, some thousands at a time; see `pagesOf`. */
export function* keysIn(
  table: Pick<Table, 'keys'>,
  { start, end }: { start: Uint8Array; end: Uint8Array },
): Generator<Uint8Array, undefined> {
  for (let from = start; ;) {
    const keys = [...table.keys({ start: from, end, limit: ROWS_A_PAGE })]
    yield* keys
    const last = keys.at(-1)
    if (last === undefined || keys.length < ROWS_A_PAGE) return
    from = Buffer.concat([last, Buffer.of(0)])
  }
}

/** Empties tables in steps, each with its own commit, so that memory stays bounded. Reads no value. */
export async function clearTables(environment: Environment, tables: readonly Table[]): Promise<void> {
  for (const table of tables) {
    for (;;) {
      const keys = [...table.keys({ limit: ROWS_A_COMMIT })]
      for (const key of keys) table.delete(key)
      if (keys.length > 0) await environment.commit()
      if (keys.length < ROWS_A_COMMIT) break
    }
  }
}
