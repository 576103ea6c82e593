/** Settles a published commit: content nodes, merged pages, removed blocks, and `dirty` rows. */
import { PAGE_BYTES, removedKey, type MergedFile, type PublishedCommit } from '../../tree-state/index.js'
import { readBe64, type Table } from '../../storage/kv/index.js'
import type { ChunkRows } from '../chunks/chunk-rows.js'
import { unstagedTail, type FileContent } from '../content/file-content.js'
import { countBlocks, openContent } from '../content/load-content.js'
import { decodeDirty } from '../inodes/dirty-row.js'
import type { Inode } from '../inodes/inode.js'
import { partsApplied, writePartsApplied } from '../inodes/state-rows.js'
import type { Invalidations } from '../inodes/invalidations.js'
import type { InodeTable } from '../inodes/inode-table.js'
import type { Committer } from './committer.js'
import type { HeldMemory } from './held-memory.js'
import { replaceRows, type RowParts } from '../chunks/rows.js'

/** The parts that settling uses. */
export interface PublishedParts extends RowParts {
  readonly inodes: InodeTable
  readonly held: HeldMemory
  readonly invalidations: Pick<Invalidations, 'send'>
}

export interface ClearParts extends Pick<PublishedParts, 'state' | 'inodes'> {
  readonly committer: Pick<Committer, 'commit'>
}

const ROWS_PER_TURN = 2000

/**
 * Deletes the rows that the version settles from the tables of changes, with a commit every few thousand rows, so that
 * memory is bounded. Runs before `writePublished`, which makes it final. After a crash in between, sync repeats the
 * call, and fewer rows are left.
 */
export async function clearPublished(parts: ClearParts, commit: PublishedCommit): Promise<void> {
  await dropRemoved(parts, commit.removedBefore)
  await clearDirty(parts, commit.sequence)
}

/**
 * Puts all rows of one part into the overlay; the caller prevents commits meanwhile. A part applied before a crash is
 * not applied again: the files may have changed since, and its rows are already counted.
 */
export function applyPublished(parts: PublishedParts, commit: PublishedCommit): void {
  const index = commit.part?.index ?? 0
  if (index < partsApplied(parts.state, commit.sequence)) return
  writePartsApplied(parts.state, commit.sequence, index + 1)
  for (const merged of commit.merged) applyMerged(parts, merged, commit.sequence)
  for (const { ino, ref } of commit.refs) {
    const inode = parts.inodes.find(ino)
    if (inode !== undefined) {
      inode.ref = ref
      parts.inodes.markUnwritten(inode)
    } else if (ref !== undefined) parts.state.addRemoved({ kind: 'map', digest: ref.digest, key: ref.key })
  }
}

function applyMerged(parts: PublishedParts, { ino, rows, isContinued }: MergedFile, sequence: number): void {
  const inode = parts.inodes.find(ino)
  if (inode === undefined || rows.length === 0 || !isUnchanged(parts, inode, sequence)) {
    for (const { digest } of rows) parts.state.addRemoved({ kind: 'block', digest, born: sequence })
    return
  }
  const content = openContent(parts, inode)
  // The merged rows include the former inline body, and the staged tail of a file that is still open.
  parts.held.dropTail(content)
  inode.inline = undefined
  for (const run of contiguous(rows)) {
    const first = run[0]!
    const last = run.at(-1)!
    const end = last.offset + last.length
    replaceRows(parts, inode, first.offset, end, run)
    dropCovered(content, first.offset, end, sequence)
  }
  parts.inodes.markUnwritten(inode)
  parts.held.account(inode)
  // Opening the content of a large file takes long.
  if (isContinued === true) return
  countBlocks(parts, inode, content)
  parts.held.close(inode)
}

/** Drops the pages covered by the new rows `from … to`, together with new rows of the previous part. */
function dropCovered(content: FileContent, from: number, to: number, sequence: number): void {
  const { pages, rows } = content
  for (const index of pages.between(Math.floor(from / PAGE_BYTES), Math.floor((to - 1) / PAGE_BYTES))) {
    const start = index * PAGE_BYTES
    const end = start + pages.lengthOf(index)
    const isWithin = start >= from && end <= to
    if (isWithin || isCoveredSince(rows, start, end, sequence)) pages.drop(index)
  }
}

/** Whether rows of that sequence cover all of `from … to`. */
function isCoveredSince(rows: ChunkRows, from: number, to: number, sequence: number): boolean {
  let at = from
  for (const row of rows.within(from, to)) {
    if (row.born !== sequence || row.offset > at) return false
    at = row.offset + row.length
  }
  return at >= to
}

/** Nothing was written to the file since the commit of that sequence. */
function isUnchanged(parts: PublishedParts, inode: Inode, sequence: number): boolean {
  parts.inodes.unpublished.load(inode)
  if (inode.nlink === 0 || inode.needsDirtyRow || inode.dirtySequence > sequence) return false
  const { content } = inode
  return content === undefined || (!content.hasHeld && unstagedTail(content.tail) === 0)
}

function contiguous(rows: MergedFile['rows']): (typeof rows)[number][][] {
  const runs: (typeof rows)[number][][] = []
  for (const row of rows) {
    const run = runs.at(-1)
    const last = run?.at(-1)
    if (run !== undefined && last !== undefined && last.offset + last.length === row.offset) run.push(row)
    else runs.push([row])
  }
  return runs
}

async function dropRemoved({ state, committer }: ClearParts, before: number): Promise<void> {
  const { removed } = state.tables
  await inPages(removed, removedKey(before), committer, (key) => removed.delete(key))
}

/**
 * Each row is read right before it is cleared, because a file that is deleted meanwhile takes its row and its count
 * along.
 */
async function clearDirty({ state, committer, inodes }: ClearParts, sequence: number): Promise<void> {
  await inPages(state.tables.dirty, undefined, committer, (key, value) => {
    const row = decodeDirty(value)
    const ino = readBe64(key)
    if (row.sequence <= sequence) inodes.unpublished.clear(ino, row, inodes.cache.peek(ino))
  })
}

/** Visits rows in pages. Commits and other work run between pages, so each page shows the table at that time. */
async function inPages(
  table: Table,
  end: Uint8Array | undefined,
  committer: Pick<Committer, 'commit'>,
  visit: (key: Uint8Array, value: Uint8Array) => void,
): Promise<void> {
  const until = end === undefined ? {} : { end }
  for (let start = new Uint8Array(0); ; await committer.commit()) {
    const from = start.length === 0 ? {} : { start }
    const page = [...table.range({ ...from, ...until, limit: ROWS_PER_TURN })]
    for (const [key, value] of page) visit(key, value)
    if (page.length < ROWS_PER_TURN) return
    start = Buffer.concat([page.at(-1)![0], Buffer.of(0)])
  }
}
