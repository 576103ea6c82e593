/** Rows of the table `state`: the open sequence, the counters, and markers of inodes. */
import { nameFromBytes, nameToBytes, type PlainName } from '../../base/index.js'
import { be48, be64, readBe48, readBe64 } from '../../storage/kv/index.js'
import { decodeDirty } from './dirty-row.js'
import type { Counters, TreeState } from './tree-state.js'

const text = (name: string): Buffer => Buffer.from(name, 'latin1')
const SEQUENCE = text('sequence')
const PUBLISHED = text('published')
const NEXT_INO = text('nextIno')
const NEXT_REMOVED = text('nextRemoved')
const CLEAN = text('clean')
const COUNTS = text('counts')
const ORPHAN = text('orphan/')
const CLIPPED = text('clipped/')
const REMOVING = text('removing/')
const LOADING = text('loading/')
const PARTS = text('parts')

/** Inode numbers that may be used before the next commit; see ino-reservation.ts. */
const RESERVED_INOS = 65_536

/** Marks an orphan: an inode without a name that stayed because it was open. */
export const orphanKey = (ino: number): Buffer => Buffer.concat([ORPHAN, be64(ino)])

/** The value of an orphan's row: the kernel may know it, or the file never had a name. */
const ORPHAN_KIND = { known: 1, neverNamed: 2 } as const

export function writeOrphan(
  { tables }: TreeState,
  { ino, isNeverNamed }: { ino: number; isNeverNamed: boolean },
): void {
  tables.state.put(orphanKey(ino), Buffer.of(isNeverNamed ? ORPHAN_KIND.neverNamed : ORPHAN_KIND.known))
}

/** Marks an inode whose stored size is smaller than the data written at that time. */
export const clippedKey = (ino: number): Buffer => Buffer.concat([CLIPPED, be64(ino)])

/** Marks an inode without references, whose rows are deleted step by step. */
export const removingKey = (ino: number): Buffer => Buffer.concat([REMOVING, be64(ino)])

/** The number of parts of a published commit that are applied. */
export function partsApplied({ tables }: TreeState, sequence: number): number {
  const row = tables.state.get(PARTS)
  return row !== undefined && readBe48(row) === sequence ? readBe48(row, 6) : 0
}

export function writePartsApplied({ tables }: TreeState, sequence: number, parts: number): void {
  tables.state.put(PARTS, Buffer.concat([be48(sequence), be48(parts)]))
}

/** The last name of a partly loaded directory whose entry is in the tables. */
export function loadedUpTo(state: TreeState, ino: number): PlainName | undefined {
  const row = state.tables.state.get(loadingKey(ino))
  return row && nameFromBytes(row)
}

/** @param name undefined: completely loaded, or not at all */
export function writeLoadedUpTo(state: TreeState, ino: number, name: PlainName | undefined): void {
  const rows = state.tables.state
  if (name !== undefined) rows.put(loadingKey(ino), nameToBytes(name))
  else if (rows.get(loadingKey(ino)) !== undefined) rows.delete(loadingKey(ino))
}

const loadingKey = (ino: number): Buffer => Buffer.concat([LOADING, be64(ino)])

/** @returns false when the drive has never been committed */
export function readState(state: TreeState): boolean {
  const { state: rows } = state.tables
  const sequence = rows.get(SEQUENCE)
  if (sequence === undefined) return false
  const published = rows.get(PUBLISHED)
  const number = (key: Buffer, absent: number): number => {
    const row = rows.get(key)
    return row === undefined ? absent : readBe64(row)
  }
  state.sequence = readBe48(sequence)
  state.published = published === undefined ? 0 : readBe48(published)
  const counts = rows.get(COUNTS)
  const count = (index: number, absent = 0): number =>
    counts === undefined || counts.length < (index + 1) * 8 ? absent : readBe64(counts, index * 8)
  state.counters = {
    nextIno: number(NEXT_INO, 2),
    nextRemoved: number(NEXT_REMOVED, 1),
    totalFiles: count(0),
    totalBytes: count(1),
    // An earlier program did not count them, so there may be one.
    unloadedDirectories: count(5, 1),
    ...dirtyCounts(state, { dirtyFiles: count(3), unpublishedBytes: count(4) }),
  }
  return true
}

type DirtyCounts = Pick<Counters, 'dirtyInodes' | 'dirtyFiles' | 'unpublishedBytes'>

/** More rows are not read when a drive is opened, which would take seconds for a million. */
const MOST_COUNTED_ROWS = 20_000

/**
 * The number of inodes with unpublished changes, as the table says. When there are very many, files and bytes, which
 * are only shown, are those stored in the same commit.
 */
function dirtyCounts(state: TreeState, kept: Omit<DirtyCounts, 'dirtyInodes'>): DirtyCounts {
  const dirtyInodes = state.tables.dirty.committedCount
  return dirtyInodes > MOST_COUNTED_ROWS ? { ...kept, dirtyInodes } : countDirty(state)
}

/** Recounts all `dirty` rows: a stored counter is not trusted for data that has to be published. */
function countDirty({ tables }: TreeState): DirtyCounts {
  const counts = { dirtyInodes: 0, dirtyFiles: 0, unpublishedBytes: 0 }
  for (const [, value] of tables.dirty.range()) {
    const { isFile, unpublishedBytes } = decodeDirty(value)
    counts.dirtyInodes++
    if (isFile) counts.dirtyFiles++
    counts.unpublishedBytes += unpublishedBytes
  }
  return counts
}

/**
 * Closes the open sequence: the rows in the overlay belong to it, later rows to the next.
 * @returns the closed sequence
 */
export function closeSequence(state: TreeState): number {
  const { state: rows } = state.tables
  const { counters } = state
  const closed = state.sequence++
  rows.put(SEQUENCE, be48(state.sequence))
  reserveInos(state)
  rows.put(NEXT_REMOVED, be64(counters.nextRemoved))
  rows.put(COUNTS, Buffer.concat(countsOf(counters).map((value) => be64(storable(value)))))
  return closed
}

/** A number is never reused: after a kill, numbering starts after all reserved numbers. */
export function reserveInos(state: TreeState): void {
  const { nextIno } = state.counters
  state.reservedIno = Math.max(state.reservedIno, nextIno + RESERVED_INOS)
  state.tables.state.put(NEXT_INO, be64(state.isClosing ? nextIno : state.reservedIno))
}

export function writePublished(state: TreeState, sequence: number): void {
  state.published = sequence
  state.tables.state.put(PUBLISHED, be48(sequence))
}

/** @param clean nothing comes after the next commit, so it reserves no inode numbers */
export function writeClean(state: TreeState, clean: boolean): void {
  state.isClosing = clean
  state.tables.state.put(CLEAN, Buffer.of(clean ? 1 : 0))
}

export const orphans = (state: TreeState): number[] => marked(state, ORPHAN)
/** The orphans that never had a name. */
export const neverNamed = (state: TreeState): number[] =>
  orphans(state).filter((ino) => state.tables.state.get(orphanKey(ino))?.[0] === ORPHAN_KIND.neverNamed)
export const clipped = (state: TreeState): number[] => marked(state, CLIPPED)
export const beingRemoved = (state: TreeState): number[] => marked(state, REMOVING)

function marked(state: TreeState, prefix: Buffer): number[] {
  const end = Buffer.from(prefix)
  end[end.length - 1]! += 1
  return [...state.tables.state.range({ start: prefix, end })].map(([key]) => readBe64(key, prefix.length))
}

/**
 * The total of a few huge sparse files may exceed the range of a row. A value that is too low is better than a failed
 * commit.
 */
const storable = (count: number): number => Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, count))

const countsOf = (counters: Counters): number[] => [
  counters.totalFiles,
  counters.totalBytes,
  counters.dirtyInodes,
  counters.dirtyFiles,
  counters.unpublishedBytes,
  counters.unloadedDirectories,
]
