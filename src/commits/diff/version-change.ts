/** What may differ between two versions, and where. */
import type { FileId, PlainName } from '../../base/index.js'
import type { EntryRecord } from '../../dag/index.js'

/** An entry and its name in one version. */
export interface PlacedEntry {
  /** Names from the root down, the entry's own last; empty for the root. */
  readonly path: readonly PlainName[]
  /** The directory it is in; undefined for the root. */
  readonly parent: FileId | undefined
  readonly entry: EntryRecord
}

/**
 * Entries are known by their file id, and their place is the directory's file id and the name: what lies in a directory
 * that moved has not moved. `changed`: attributes, or the content of anything but a directory. `moved`: to another
 * place, perhaps changed as well. `added` and `removed`: below a directory that came or went, each entry too. A name of
 * a hard-linked file (`shared`) is added or removed by itself; `linked`: the record of such a file changed, whatever
 * its names are.
 */
export type VersionChange =
  | { readonly kind: 'added'; readonly after: PlacedEntry }
  | { readonly kind: 'removed'; readonly before: PlacedEntry }
  | { readonly kind: 'changed' | 'moved'; readonly before: PlacedEntry; readonly after: PlacedEntry }
  | { readonly kind: 'linked'; readonly before: EntryRecord; readonly after: EntryRecord }
