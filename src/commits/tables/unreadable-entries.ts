/**
 * Entries of directories that cannot be decoded: another device or a newer program made them. They are not in the local
 * tree. Their rows are kept by the digest of the directory, so that its next version has them byte for byte.
 */
import { hex, type Digest } from '../../base/index.js'
import type { MapRow } from '../../dag/index.js'
import { keysIn, rowsIn } from '../../storage/kv/index.js'
import type { QueueTables } from './queue-tables.js'

type Unreadable = Pick<QueueTables, 'unreadable'>

const DIGEST_BYTES = 32
const MOST_NAME_BYTES = 255

/** Longer names are impossible in a map of this format's writers, and are dropped. */
export function noteUnreadable(directory: Digest, [name, value]: MapRow, { unreadable }: Unreadable): void {
  if (name.length <= MOST_NAME_BYTES) unreadable.put(Buffer.concat([directory, name]), value)
}

/** In byte order of the names. */
export function* unreadableOf(directory: Digest, { unreadable }: Unreadable): Generator<MapRow, undefined> {
  const end = Buffer.concat([directory, Buffer.alloc(MOST_NAME_BYTES + 1, 0xff)])
  for (const [key, value] of rowsIn(unreadable, { start: directory, end }))
    yield [Uint8Array.from(key.subarray(DIGEST_BYTES)), Uint8Array.from(value)]
}

/** The names of all of them, as bytes. Reads no values. */
export function* allUnreadable({ unreadable }: Unreadable): Generator<Uint8Array, undefined> {
  const end = Buffer.alloc(DIGEST_BYTES + MOST_NAME_BYTES + 1, 0xff)
  for (const key of keysIn(unreadable, { start: Buffer.of(0), end })) yield Uint8Array.from(key.subarray(DIGEST_BYTES))
}

/** The directory has been replaced by a newer version. */
export function forgetUnreadable(directory: Digest, tables: Unreadable): void {
  for (const [name] of unreadableOf(directory, tables)) tables.unreadable.delete(Buffer.concat([directory, name]))
}

/** Whether the directory has any. */
export function hasUnreadable(directory: Digest, tables: Unreadable): boolean {
  return unreadableOf(directory, tables).next().done !== true
}

/**
 * Merges the rows of a directory with unreadable ones. Of the same name, the row of the directory wins.
 * @param replaced gets the names of unreadable rows that are not in the result
 */
export async function* withUnreadable(
  rows: AsyncIterable<MapRow>,
  unreadable: Iterator<MapRow, undefined>,
  replaced: Set<string>,
): AsyncGenerator<MapRow, undefined> {
  let kept = unreadable.next().value
  for await (const row of rows) {
    for (; kept !== undefined && Buffer.compare(kept[0], row[0]) < 0; kept = unreadable.next().value) yield kept
    if (kept !== undefined && Buffer.compare(kept[0], row[0]) === 0) {
      replaced.add(hex(kept[0]))
      kept = unreadable.next().value
    }
    yield row
  }
  for (; kept !== undefined; kept = unreadable.next().value) yield kept
}

/** The rows of a directory, but for the replaced ones, belong to its new version too. */
export function carryUnreadable(from: Digest, to: Digest, replaced: ReadonlySet<string>, tables: Unreadable): void {
  for (const row of unreadableOf(from, tables)) if (!replaced.has(hex(row[0]))) noteUnreadable(to, row, tables)
}
