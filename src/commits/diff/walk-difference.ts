/**
 * Walks two directories in parallel and descends into the directories they have in common. Yields every name whose
 * entry differs.
 */
import { equalBytes, type PlainName } from '../../base/index.js'
import { diffDirectoryTables, type EntryRecord, type FetchBlock, type TreeRef } from '../../dag/index.js'
import { isDirectory } from '../../model/index.js'
import type { PlacedEntry } from './version-change.js'

/** The parts needed to read versions. */
export interface VersionReader {
  readonly fetch: FetchBlock
  readonly signal?: AbortSignal
}

/** One differing name: the same file on both sides, or an entry on only one side. */
export interface Difference {
  readonly before?: PlacedEntry
  readonly after?: PlacedEntry
}

/** @param before undefined: an empty directory */
export async function* walkDifference(
  before: PlacedEntry | undefined,
  after: PlacedEntry | undefined,
  reader: VersionReader,
): AsyncGenerator<Difference, void, undefined> {
  const names = diffDirectoryTables(contentOf(before), contentOf(after), reader.fetch, reader)
  for await (const { name, before: left, after: right } of names) {
    const was = left && placeIn(before!, name, left)
    const is = right && placeIn(after!, name, right)
    if (was !== undefined && is !== undefined && equalBytes(was.entry.fileId, is.entry.fileId)) {
      yield { before: was, after: is }
      yield* walkDifference(was, is, reader)
    } else {
      if (was !== undefined) yield { before: was }
      if (is !== undefined) yield { after: is }
    }
  }
}

function placeIn(directory: PlacedEntry, name: PlainName, entry: EntryRecord): PlacedEntry {
  return { path: [...directory.path, name], parent: directory.entry.fileId, entry }
}

function contentOf(place: PlacedEntry | undefined): TreeRef | undefined {
  if (place === undefined || !isDirectory(place.entry)) return undefined
  const { content } = place.entry
  return content.kind === 'tree' ? content.ref : undefined
}
