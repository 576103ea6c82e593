/** The kinds of changes between two versions, and their places. */
import type { FileId, PlainName } from '../../base/index.js'
import type { EntryRecord } from '../../dag/index.js'

/** An entry and its name in one version. */
export interface PlacedEntry {
  /** Names from the root down, the entry's own last; empty for the root. */
  readonly path: readonly PlainName[]
  /** The parent directory; undefined for the root. */
  readonly parent: FileId | undefined
  readonly entry: EntryRecord
}

/**
 * An entry is identified by its file id. Its place is the parent directory's file id and the name, so the entries of a
 * moved directory have not moved. `changed`: attributes, or the content of anything but a directory. `moved`: to
 * another place, and possibly changed too. `added` and `removed`: also reported for each entry below an added or
 * removed directory. Each name of a hard-linked file (`shared`) is added or removed on its own. `linked`: the record of
 * a hard-linked file changed.
 */
export type VersionChange =
  | { readonly kind: 'added'; readonly after: PlacedEntry }
  | { readonly kind: 'removed'; readonly before: PlacedEntry }
  | { readonly kind: 'changed' | 'moved'; readonly before: PlacedEntry; readonly after: PlacedEntry }
  | { readonly kind: 'linked'; readonly before: EntryRecord; readonly after: EntryRecord }
