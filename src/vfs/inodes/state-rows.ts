/** Rows of the table `state`: the open sequence, the counters, and which inodes have no name any more. */
import { be48, be64, readBe48, readBe64 } from '../../storage/kv/index.js'
import type { Counters, Volume } from '../volume.js'
import { decodeDirty } from './dirty-row.js'

const text = (name: string): Buffer => Buffer.from(name, 'latin1')
const SEQUENCE = text('sequence')
const PUBLISHED = text('published')
const NEXT_INO = text('nextIno')
const NEXT_REMOVED = text('nextRemoved')
const CLEAN = text('clean')
const COUNTS = text('counts')
const ORPHAN = text('orphan/')
const CLIPPED = text('clipped/')

/** A row marks an inode without a name that lived on because it was open. */
export const orphanKey = (ino: number): Buffer => Buffer.concat([ORPHAN, be64(ino)])

/** A row marks an inode whose stored size is less than what was written then. */
export const clippedKey = (ino: number): Buffer => Buffer.concat([CLIPPED, be64(ino)])

/** @returns false when the drive has never been committed */
export function readState(volume: Volume): boolean {
  const { state } = volume.tables
  const sequence = state.get(SEQUENCE)
  if (sequence === undefined) return false
  const published = state.get(PUBLISHED)
  const number = (key: Buffer, absent: number): number => {
    const row = state.get(key)
    return row === undefined ? absent : readBe64(row)
  }
  volume.sequence = readBe48(sequence)
  volume.published = published === undefined ? 0 : readBe48(published)
  const counts = state.get(COUNTS)
  const count = (index: number): number => (counts === undefined ? 0 : readBe64(counts, index * 8))
  volume.counters = {
    nextIno: number(NEXT_INO, 2),
    nextRemoved: number(NEXT_REMOVED, 1),
    totalFiles: count(0),
    totalBytes: count(1),
    ...countDirty(volume),
  }
  return true
}

/** What the `dirty` rows say, all of them: a count that was kept is not trusted with what is to be published. */
export function countDirty({ tables }: Volume): Pick<Counters, 'dirtyInodes' | 'dirtyFiles' | 'unpublishedBytes'> {
  const counts = { dirtyInodes: 0, dirtyFiles: 0, unpublishedBytes: 0 }
  for (const [, value] of tables.dirty.range()) {
    const { isFile, unpublishedBytes } = decodeDirty(value)
    counts.dirtyInodes++
    if (isFile) counts.dirtyFiles++
    counts.unpublishedBytes += unpublishedBytes
  }
  return counts
}

/** Closes the open sequence: what is in the overlay now belongs to it, what follows to the next. @returns the closed sequence */
export function closeSequence(volume: Volume): number {
  const { state } = volume.tables
  const { counters } = volume
  const closed = volume.sequence++
  state.put(SEQUENCE, be48(volume.sequence))
  state.put(NEXT_INO, be64(counters.nextIno))
  state.put(NEXT_REMOVED, be64(counters.nextRemoved))
  state.put(COUNTS, Buffer.concat(countsOf(counters).map((value) => be64(storable(value)))))
  return closed
}

export function writePublished(volume: Volume, sequence: number): void {
  volume.published = sequence
  volume.tables.state.put(PUBLISHED, be48(sequence))
}

export function wasClean(volume: Volume): boolean {
  return volume.tables.state.get(CLEAN)?.[0] === 1
}

export function writeClean(volume: Volume, clean: boolean): void {
  volume.tables.state.put(CLEAN, Buffer.of(clean ? 1 : 0))
}

export const orphans = (volume: Volume): number[] => marked(volume, ORPHAN)
export const clipped = (volume: Volume): number[] => marked(volume, CLIPPED)

function marked(volume: Volume, prefix: Buffer): number[] {
  const end = Buffer.from(prefix)
  end[end.length - 1]! += 1
  return [...volume.tables.state.range({ start: prefix, end })].map(([key]) => readBe64(key, prefix.length))
}

/** A few huge sparse files add up to more than a row can say: a count that is too low is no reason to fail a commit. */
const storable = (count: number): number => Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, count))

const countsOf = (counters: Counters): number[] => [
  counters.totalFiles,
  counters.totalBytes,
  counters.dirtyInodes,
  counters.dirtyFiles,
  counters.unpublishedBytes,
]
