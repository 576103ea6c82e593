/**
 * Reads the tree from disk, a few rows at a time. Each slice has its own snapshot: a check can take hours on a slow
 * disk, and a snapshot held that long prevents the database from reusing space. A row may therefore have changed since
 * its slice was read.
 */
import { equalBytes, isDriveError, latin1, nameToText } from '../../base/index.js'
import { isDirectory, ROOT_INO } from '../../model/index.js'
import type { EnvironmentReader } from '../../storage/kv/index.js'
import { TreeView, type ChunkRecord, type InodeRecord } from '../../tree-state/index.js'
import type { CheckFinding } from './contract.js'

export type FileRow = ChunkRecord & { readonly ino: number }

/** Opens a view, reads from it and closes it. */
export function withView<T>(meta: EnvironmentReader, read: (view: TreeView) => T): T {
  const view = new TreeView(meta.snapshot())
  try {
    return read(view)
  } finally {
    view.close()
  }
}

/**
 * Chunk rows of all files, ordered by file and offset.
 * @param onDamaged gets the file of a row that does not open, which is left out; without it, such a row is CORRUPT
 */
export function* chunkSlices(
  meta: EnvironmentReader,
  limit: number,
  onDamaged?: (ino: number) => void,
): Generator<FileRow[], undefined> {
  let at: ChunkPlace = { ino: 0, offset: 0 }
  for (;;) {
    const { items, last, isLast } = withView(meta, (view) =>
      sliceOf<ChunkPlace, FileRow>(limit, {
        rows: () => view.chunksFrom(at.ino, at.offset, limit),
        places: () => view.chunkPlaces(at.ino, at.offset),
        read: ({ ino, offset }) => {
          const row = view.chunk(ino, offset)
          return row && { ino, ...row }
        },
        onDamaged: onDamaged && (({ ino }) => onDamaged(ino)),
      }),
    )
    if (items.length > 0) yield items
    if (last === undefined || isLast) return
    at = { ino: last.ino, offset: last.offset + 1 }
  }
}

interface ChunkPlace {
  readonly ino: number
  readonly offset: number
}

/**
 * Inodes in numerical order.
 * @param onDamaged gets the number of an inode whose row does not open, which is left out; without it, such a row is
 * CORRUPT
 */
export function* inodeSlices(
  meta: EnvironmentReader,
  limit: number,
  onDamaged?: (ino: number) => void,
): Generator<InodeRecord[], undefined> {
  for (let from = 0; ;) {
    const { items, last, isLast } = withView(meta, (view) =>
      sliceOf<{ readonly ino: number }, InodeRecord>(limit, {
        rows: () => view.inodes(from, limit),
        places: function* () {
          for (const ino of view.inodeNumbers(from)) yield { ino }
        },
        read: ({ ino }) => view.inode(ino),
        onDamaged: onDamaged && (({ ino }) => onDamaged(ino)),
      }),
    )
    if (items.length > 0) yield items
    if (last === undefined || isLast) return
    from = last.ino + 1
  }
}

interface SliceSource<Place, Item> {
  readonly rows: () => Iterable<Item>
  /** The places of the same rows, found without opening them. */
  readonly places: () => Iterable<Place>
  readonly read: (place: Place) => Item | undefined
  readonly onDamaged: ((place: Place) => void) | undefined
}

/** Reads row by row only where a row does not open. */
function sliceOf<Place, Item extends Place>(
  limit: number,
  { rows, places, read, onDamaged }: SliceSource<Place, Item>,
): { readonly items: Item[]; readonly last: Place | undefined; readonly isLast: boolean } {
  const whole = unlessCorrupt(() => take(rows(), limit), onDamaged === undefined)
  if (whole !== undefined) return { items: whole, last: whole.at(-1), isLast: whole.length < limit }
  const found = take(places(), limit)
  const items: Item[] = []
  for (const place of found) {
    const isRead = unlessCorrupt(() => {
      const item = read(place)
      if (item !== undefined) items.push(item)
      return true
    })
    if (isRead === undefined) onDamaged?.(place)
  }
  return { items, last: found.at(-1), isLast: found.length < limit }
}

/** @returns undefined if a row that `work` reads does not open */
export function unlessCorrupt<T>(work: () => T, isThrown = false): T | undefined {
  try {
    return work()
  } catch (error) {
    if (isThrown || !isDriveError(error, 'CORRUPT')) throw error
    return undefined
  }
}

/** Numbers of inodes that changed since the last published version. */
export function* changedSlices(meta: EnvironmentReader, limit: number): Generator<number[], undefined> {
  for (let from = 0; ;) {
    const inos = withView(meta, (view) => take(view.changes(0, from), limit)).map(({ ino }) => ino)
    if (inos.length > 0) yield inos
    const last = inos.at(-1)
    if (last === undefined || inos.length < limit) return
    from = last + 1
  }
}

/**
 * Whether the row still exists and refers to the same block.
 * @param isUnpublished whether it must also be absent from the published version
 */
export function isStillReferenced(row: FileRow, meta: EnvironmentReader, isUnpublished: boolean): boolean {
  const { ino, offset, digest, born } = row
  return withView(meta, (view) => {
    if (isUnpublished && born <= view.published) return false
    for (const now of view.chunksBetween(ino, offset, offset + 1)) return equalBytes(now.digest, digest)
    return false
  })
}

/** One path of an inode, as text; undefined if it has none. */
export function pathOf(ino: number, view: TreeView): string | undefined {
  const names: string[] = []
  for (let at = ino; at !== ROOT_INO;) {
    const record = view.inode(at)
    const [parent] = record?.parent === 0 ? view.parentsOfLinked(at) : [record?.parent]
    const name = parent === undefined ? undefined : nameIn(parent, at, view)
    if (parent === undefined || name === undefined || names.length > MOST_DEPTH) return undefined
    names.push(name)
    at = parent
  }
  return names.reverse().join('/')
}

/** Bounds the walk if damage makes a directory its own ancestor. */
const MOST_DEPTH = 4096

function nameIn(parent: number, ino: number, view: TreeView): string | undefined {
  for (const entry of view.entries(parent)) if (entry.ino === ino) return nameToText(entry.name)
  return undefined
}

function take<Item>(items: Iterable<Item>, limit: number): Item[] {
  const taken: Item[] = []
  for (const item of items) if (taken.push(item) >= limit) break
  return taken
}

/** Whether the inode's parent directory exists. */
export function hasParent(record: InodeRecord, view: TreeView): boolean {
  if (record.ino === ROOT_INO || record.nlink === 0 || record.parent === 0) return true
  const parent = view.inode(record.parent)
  return parent !== undefined && isDirectory(parent)
}

/** The length of its plaintext, or how it is damaged. */
type Verdict = number | { readonly outcome: CheckFinding['outcome'] }

/** About 2 MB. */
const MOST_REMEMBERED = 16_384

/**
 * What a check found of the blocks it read last. Another device may publish a file in which very many rows refer to few
 * blocks: each block is then read and opened once, not once a row.
 */
export class CheckedBlocks {
  readonly #found = new Map<string, Verdict>()

  of(row: FileRow): Verdict | undefined {
    return this.#found.get(nameOf(row))
  }

  note(row: FileRow, verdict: Verdict): void {
    if (this.#found.size >= MOST_REMEMBERED) this.#found.delete(this.#found.keys().next().value!)
    this.#found.set(nameOf(row), verdict)
  }
}

/** A wrong key makes a block of a row unreadable, and not those of others. */
function nameOf({ digest, key }: FileRow): string {
  return latin1(Buffer.concat([digest, key]))
}
