/** All entries of a link table, in order. */
import type { EntryRecord, FetchBlock, TreeRef } from '../../../src/dag/index.js'
import { readMap } from '../../../src/dag/index.js'
import { linkedEntry } from '../../../src/dag/records/tables.js'

/** CORRUPT when one of them cannot be one. */
export async function* readLinks(ref: TreeRef, fetch: FetchBlock): AsyncGenerator<EntryRecord, void, undefined> {
  for await (const [key, value] of readMap(ref, fetch)) yield linkedEntry(key, value)
}
