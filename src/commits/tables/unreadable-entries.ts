/**
 * Entries of directories that cannot be decoded: another device or a newer program made them. They are not in the local
 * tree. Their rows are kept by the digest of the directory, so that its next version has them byte for byte. There may
 * be any number of them: one row at a time is in memory, and commits bound the rest.
 */
import type { Digest } from '../../base/index.js'
import type { MapRow } from '../../dag/index.js'
import { keysIn, type Environment } from '../../storage/kv/index.js'
import { isSecondName } from './directory-names.js'
import type { QueueTables } from './queue-tables.js'

type Unreadable = Pick<QueueTables, 'unreadable'>

/** The parts that a build of a new version uses. */
export interface KeptEntries {
  readonly tables: Pick<QueueTables, 'unreadable' | 'replaced' | 'directories'>
  /** May commit. */
  readonly pace: { step(bytes?: number): Promise<void> }
}

const DIGEST_BYTES = 32
const MOST_NAME_BYTES = 255
const ROWS_A_COMMIT = 20_000

/** Longer names are impossible in a map of this format's writers, and are dropped. */
export function noteUnreadable(directory: Digest, [name, value]: MapRow, { unreadable }: Unreadable): void {
  if (name.length <= MOST_NAME_BYTES) unreadable.put(keyOf(directory, name), value)
}

/** Their names in a directory, as bytes. Reads no values. */
export function* unreadableNames(directory: Digest, { unreadable }: Unreadable): Generator<Uint8Array, undefined> {
  for (const key of keysIn(unreadable, rangeOf(directory))) yield nameOf(key)
}

/** Whether any directory has one. */
export function isAnyUnreadable({ unreadable }: Unreadable): boolean {
  for (const _ of unreadable.keys({ limit: 1 })) return true
  return false
}

/** The directory has been replaced by a newer version. Rows deleted before may become durable. */
export async function forgetUnreadable(
  directory: Digest,
  { unreadable }: Unreadable,
  queue: Pick<Environment, 'pendingCount' | 'commit'>,
): Promise<void> {
  for (const key of keysIn(unreadable, rangeOf(directory))) {
    unreadable.delete(key)
    if (queue.pendingCount > ROWS_A_COMMIT) await queue.commit()
  }
}

/** Whether the directory has any. */
export function hasUnreadable(directory: Digest, { unreadable }: Unreadable): boolean {
  for (const _ of unreadable.keys({ ...rangeOf(directory), limit: 1 })) return true
  return false
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
      parts.tables.replaced.put(keyOf(directory, kept[0]), REPLACED)
      kept = await next()
    }
    yield row
  }
  for (; kept !== undefined; kept = await next()) yield kept
}

/** In byte order of the names. Second names of directories are left out: the next version does not have those. */
async function* keptRows(directory: Digest, { tables, pace }: KeptEntries): AsyncGenerator<MapRow, undefined> {
  for (const row of unreadableOf(directory, tables)) {
    await pace.step(row[1].length)
    if (isSecondName(directory, row, tables)) tables.replaced.put(keyOf(directory, row[0]), REPLACED)
    else yield row
  }
}

/** The rows of a directory, but for those that `withUnreadable` replaced, belong to its new version too. */
export async function carryUnreadable(from: Digest, to: Digest, { tables, pace }: KeptEntries): Promise<void> {
  for (const row of unreadableOf(from, tables)) {
    if (tables.replaced.get(keyOf(from, row[0])) === undefined) noteUnreadable(to, row, tables)
    await pace.step(row[1].length)
  }
}

function* unreadableOf(directory: Digest, { unreadable }: Unreadable): Generator<MapRow, undefined> {
  for (const key of keysIn(unreadable, rangeOf(directory))) {
    const value = unreadable.get(key)
    if (value !== undefined) yield [nameOf(key), value]
  }
}

const REPLACED = Buffer.of(1)

function keyOf(directory: Digest, name: Uint8Array): Buffer {
  return Buffer.concat([directory, name])
}

function nameOf(key: Uint8Array): Uint8Array {
  return Uint8Array.from(key.subarray(DIGEST_BYTES))
}

function rangeOf(directory: Digest): { readonly start: Uint8Array; readonly end: Uint8Array } {
  return { start: directory, end: Buffer.concat([directory, Buffer.alloc(MOST_NAME_BYTES + 1, 0xff)]) }
}
