/**
 * Yields the changes between two versions as they are found. Blocks that both versions share are never read. Memory is
 * bounded: if more entries were removed than fit in memory, the other version is walked once for each part.
 */
import { equalBytes, hex } from '../../base/index.js'
import { diffLinks, encodeEntry, type Commit, type EntryRecord } from '../../dag/index.js'
import { isDirectory } from '../../model/index.js'
import { DirectoryPairs } from './pair-directories.js'
import type { PlacedEntry, VersionChange } from './version-change.js'
import type { VersionReader } from './walk-difference.js'

/** Limits of the entries kept in memory. */
export interface DiffLimits {
  /** Directories that were added, removed or moved. */
  readonly directories: number
  /** Entries that are in only one version. */
  readonly entries: number
}

const LIMITS: DiffLimits = { directories: 4096, entries: 16_384 }

type Side = Pick<Commit, 'root' | 'links'>

/**
 * Both versions must belong to one drive. The order of the changes is not defined: a directory may come after its
 * entries.
 */
export async function* diffVersions(
  before: Side,
  after: Side,
  reader: VersionReader,
  limits: DiffLimits = LIMITS,
): AsyncGenerator<VersionChange, void, undefined> {
  const root = { before: placeOfRoot(before), after: placeOfRoot(after) }
  const change = changeBetween(root.before, root.after)
  if (change !== undefined) yield change
  for await (const { before: was, after: is } of diffLinks(before.links, after.links, reader.fetch, reader)) {
    if (was !== undefined && is !== undefined) yield { kind: 'linked', before: was, after: is }
  }
  const pairs = new DirectoryPairs(root, reader, limits.directories)
  for await (const pair of pairs.find()) {
    const found = changeBetween(pair.before, pair.after)
    if (found !== undefined) yield found
  }
  let isComplete = true
  for await (const { entries, isOnly } of partsOf(pairs.only('before'), limits.entries)) {
    isComplete = isOnly
    for await (const is of pairs.only('after')) {
      const was = entries.take(is)
      const found = was === undefined ? addedIf(isOnly, is) : changeBetween(was, is)
      if (found !== undefined) yield found
    }
    for (const gone of entries.rest()) yield { kind: 'removed', before: gone }
  }
  if (isComplete) return
  for await (const { entries } of partsOf(pairs.only('after'), limits.entries)) {
    for await (const was of pairs.only('before')) entries.take(was)
    for (const come of entries.rest()) yield { kind: 'added', after: come }
  }
}

function placeOfRoot({ root }: Side): PlacedEntry {
  return { path: [], parent: undefined, entry: root }
}

function addedIf(isAdded: boolean, after: PlacedEntry): VersionChange | undefined {
  return isAdded ? { kind: 'added', after } : undefined
}

/**
 * @returns undefined if neither the place nor the entry differs. Changes inside a directory are reported for its
 * entries
 */
function changeBetween(before: PlacedEntry, after: PlacedEntry): VersionChange | undefined {
  if (!isSamePlace(before, after)) return { kind: 'moved', before, after }
  return isSameEntry(before.entry, after.entry) ? undefined : { kind: 'changed', before, after }
}

function isSamePlace(a: PlacedEntry, b: PlacedEntry): boolean {
  if (a.parent === undefined || b.parent === undefined) return a.parent === b.parent
  return a.path.at(-1) === b.path.at(-1) && equalBytes(a.parent, b.parent)
}

function isSameEntry(a: EntryRecord, b: EntryRecord): boolean {
  return equalBytes(encodeEntry(withoutEntries(a)), encodeEntry(withoutEntries(b)))
}

function withoutEntries(entry: EntryRecord): EntryRecord {
  return isDirectory(entry) ? { ...entry, content: { kind: 'none' } } : entry
}

/** Entries of one version by file id. The names of a hard-linked file are keyed by place as well. */
class Entries {
  readonly #byKey = new Map<string, PlacedEntry>()

  get size(): number {
    return this.#byKey.size
  }

  add(place: PlacedEntry): void {
    this.#byKey.set(keyOf(place), place)
  }

  /**
   * Removes and returns the entry of the same file. An entry in another place matches only if neither is a hard link.
   */
  take(place: PlacedEntry): PlacedEntry | undefined {
    const [id, named] = [hex(place.entry.fileId), nameKeyOf(place)]
    const own = this.#byKey.get(id)
    const key = own !== undefined && (!isShared(place) || isSamePlace(own, place)) ? id : named
    const found = this.#byKey.get(key)
    this.#byKey.delete(key)
    return found
  }

  rest(): Iterable<PlacedEntry> {
    return this.#byKey.values()
  }
}

function keyOf(place: PlacedEntry): string {
  return isShared(place) ? nameKeyOf(place) : hex(place.entry.fileId)
}

function nameKeyOf({ path, parent, entry }: PlacedEntry): string {
  return `${hex(entry.fileId)} ${parent === undefined ? '' : hex(parent)} ${path.at(-1)}`
}

const isShared = ({ entry }: PlacedEntry): boolean => entry.content.kind === 'shared'

/** Splits `entries` into parts of at most `most`. Yields at least one part, which may be empty. */
async function* partsOf(
  places: AsyncIterable<PlacedEntry>,
  most: number,
): AsyncGenerator<{ readonly entries: Entries; readonly isOnly: boolean }, void, undefined> {
  let entries = new Entries()
  let isOnly = true
  for await (const place of places) {
    if (entries.size >= most) {
      isOnly = false
      yield { entries, isOnly }
      entries = new Entries()
    }
    entries.add(place)
  }
  yield { entries, isOnly }
}
