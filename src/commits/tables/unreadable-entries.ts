/**
 * Entries of directories that cannot be decoded: another device or a newer program made them. They are not in the local
 * tree. Their rows are kept by the digest of the directory, so that its next version has them byte for byte. There may
 * be any number of them: one row at a time is in memory, and commits bound the rest. Keys are not sealed, so they have
 * no names but keyed hashes of them.
 */
import { createHmac } from 'node:crypto'
import { nameFromBytes, nameToBytes, systemRandom, type Digest, type PlainName } from '../../base/index.js'
import type { MapRow } from '../../dag/index.js'
import { keysIn, rowsIn, type Environment, type RangeOptions, type Table } from '../../storage/kv/index.js'
import { sortedEntries } from '../build/sorted-entries.js'
import { isSecondName } from './directory-names.js'
import type { QueueTables } from './queue-tables.js'

type Unreadable = Pick<QueueTables, 'unreadable' | 'state'>

/** The parts that a build of a new version uses. */
export interface KeptEntries {
  readonly tables: Pick<QueueTables, 'unreadable' | 'state' | 'replaced' | 'directories'>
  /** May commit. */
  readonly pace: { step(bytes?: number): Promise<void> }
}

const SECRET = Buffer.from('nameSecret', 'latin1')
const SECRET_BYTES = 32
const HASH_BYTES = 32
const DIGEST_BYTES = 32
const MOST_NAME_BYTES = 255
const ROWS_A_COMMIT = 20_000

/** Longer names are impossible in a map of this format's writers, and are dropped. */
export function noteUnreadable(directory: Digest, [name, value]: MapRow, tables: Unreadable): void {
  if (name.length > MOST_NAME_BYTES) return
  tables.unreadable.put(keyOf(directory, name, tables), Buffer.concat([Buffer.of(name.length), name, value]))
}

/** Their names in a directory, as bytes, in any order. */
export function* unreadableNames(
  directory: Digest,
  { unreadable }: Pick<QueueTables, 'unreadable'>,
): Generator<Uint8Array, undefined> {
  for (const [, value] of rowsIn(unreadable, rangeOf(directory))) yield nameOf(value)
}

/** Whether any directory has one. */
export function isAnyUnreadable({ unreadable }: Pick<QueueTables, 'unreadable'>): boolean {
  return !isEmpty(unreadable)
}

/** The directory has been replaced by a newer version. Rows deleted before may become durable. */
export async function forgetUnreadable(
  directory: Digest,
  { unreadable }: Pick<QueueTables, 'unreadable'>,
  queue: Pick<Environment, 'pendingCount' | 'commit'>,
): Promise<void> {
  for (const key of keysIn(unreadable, rangeOf(directory))) {
    unreadable.delete(key)
    if (queue.pendingCount > ROWS_A_COMMIT) await queue.commit()
  }
}

/** Whether the directory has any. */
export function hasUnreadable(directory: Digest, { unreadable }: Pick<QueueTables, 'unreadable'>): boolean {
  return !isEmpty(unreadable, rangeOf(directory))
}

/** Merges the rows of a directory with its unreadable ones. Of the same name, the row of the directory wins. */
export async function* withUnreadable(
  rows: AsyncIterable<MapRow>,
  directory: Digest,
  parts: KeptEntries,
): AsyncGenerator<MapRow, undefined> {
  const unreadable = keptRows(directory, parts)
  const next = async (): Promise<MapRow | undefined> => (await unreadable.next()).value
  let kept = await next()
  for await (const row of rows) {
    for (; kept !== undefined && Buffer.compare(kept[0], row[0]) < 0; kept = await next()) yield kept
    if (kept !== undefined && Buffer.compare(kept[0], row[0]) === 0) {
      parts.tables.replaced.put(keyOf(directory, kept[0], parts.tables), REPLACED)
      kept = await next()
    }
    yield row
  }
  for (; kept !== undefined; kept = await next()) yield kept
}

/** In byte order of the names. Second names of directories are left out: the next version does not have those. */
async function* keptRows(directory: Digest, { tables, pace }: KeptEntries): AsyncGenerator<MapRow, undefined> {
  const names = function* (): Generator<{ readonly name: PlainName }> {
    for (const name of unreadableNames(directory, tables)) yield { name: nameFromBytes(name) }
  }
  for await (const { name } of sortedEntries(names, pace)) {
    const key = keyOf(directory, nameToBytes(name), tables)
    const value = tables.unreadable.get(key)
    if (value === undefined) continue
    const row: MapRow = [nameOf(value), rowOf(value)]
    await pace.step(row[1].length)
    if (isSecondName(directory, row, tables)) tables.replaced.put(key, REPLACED)
    else yield row
  }
}

/** The rows of a directory, but for those that `withUnreadable` replaced, belong to its new version too. */
export async function carryUnreadable(from: Digest, to: Digest, { tables, pace }: KeptEntries): Promise<void> {
  for (const key of keysIn(tables.unreadable, rangeOf(from))) {
    const value = tables.unreadable.get(key)
    if (value === undefined) continue
    if (tables.replaced.get(key) === undefined) noteUnreadable(to, [nameOf(value), rowOf(value)], tables)
    await pace.step(value.length)
  }
}

/** Moves the rows of an earlier program, whose keys have the names. */
export async function hideUnreadableNames(
  tables: Pick<QueueTables, 'unreadable' | 'unreadableByName' | 'state'>,
  queue: Pick<Environment, 'pendingBytes' | 'commit'>,
): Promise<void> {
  const { unreadableByName } = tables
  if (isEmpty(unreadableByName)) return
  for (const [key, value] of rowsIn(unreadableByName)) {
    noteUnreadable(key.slice(0, DIGEST_BYTES), [key.slice(DIGEST_BYTES), value], tables)
    unreadableByName.delete(key)
    if (queue.pendingBytes > MOST_PENDING_BYTES) await queue.commit()
  }
  await queue.commit()
}

const MOST_PENDING_BYTES = 1024 * 1024
const REPLACED = Buffer.of(1)

function isEmpty(table: Pick<Table, 'keys'>, range: RangeOptions = {}): boolean {
  for (const _ of table.keys({ ...range, limit: 1 })) return false
  return true
}

function keyOf(directory: Digest, name: Uint8Array, tables: Pick<QueueTables, 'state'>): Buffer {
  const hash = createHmac('sha256', secretOf(tables)).update(directory).update(name).digest()
  return Buffer.concat([directory, hash])
}

/** Made with the first row, and sealed. */
function secretOf({ state }: Pick<QueueTables, 'state'>): Uint8Array {
  const known = state.get(SECRET)
  if (known !== undefined) return known
  const secret = systemRandom.bytes(SECRET_BYTES)
  state.put(SECRET, secret)
  return secret
}

/** Row: length of the name u8, name, row of the directory. */
function nameOf(value: Uint8Array): Uint8Array {
  return Uint8Array.from(value.subarray(1, 1 + value[0]!))
}

function rowOf(value: Uint8Array): Uint8Array {
  return value.subarray(1 + value[0]!)
}

function rangeOf(directory: Digest): { readonly start: Uint8Array; readonly end: Uint8Array } {
  return { start: directory, end: Buffer.concat([directory, Buffer.alloc(HASH_BYTES + 1, 0xff)]) }
}
