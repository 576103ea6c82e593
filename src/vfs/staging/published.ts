/** A published commit settled what it holds: content nodes, merged pages, removed blocks, and what was dirty. */
import { pageKey, removedKey, type PublishedCommit } from '../../tree-state/index.js'
import { readBe64, type Table } from '../../storage/kv/index.js'
import { unstagedTail } from '../content/file-content.js'
import { openContent } from '../content/load-content.js'
import { decodeDirty } from '../inodes/dirty-row.js'
import type { Inode } from '../inodes/inode.js'
import { writePublished } from '../inodes/state-rows.js'
import type { InodeTable } from '../inodes/inode-table.js'
import type { HeldMemory } from './held-memory.js'
import { replaceRows, type RowParts } from '../content/rows.js'

/** What settling a published commit takes. */
export interface PublishedParts extends RowParts {
  readonly inodes: InodeTable
  readonly held: HeldMemory
}

const ROWS_PER_TURN = 1000

/** Puts all rows of it into the overlay; the caller keeps commits from running meanwhile. */
export async function applyPublished(parts: PublishedParts, commit: PublishedCommit): Promise<void> {
  for (const merged of commit.merged) applyMerged(parts, merged, commit.sequence)
  for (const { ino, ref } of commit.refs) {
    const inode = parts.inodes.find(ino)
    if (inode !== undefined) {
      inode.ref = ref
      parts.inodes.markUnwritten(inode)
    } else if (ref !== undefined) parts.state.addRemoved({ kind: 'map', digest: ref.digest, key: ref.key })
  }
  await dropRemoved(parts, commit.removedBefore)
  await clearDirty(parts, commit.sequence)
  writePublished(parts.state, commit.sequence)
}

function applyMerged(parts: PublishedParts, { ino, rows }: PublishedCommit['merged'][number], sequence: number): void {
  const inode = parts.inodes.find(ino)
  if (inode === undefined || rows.length === 0 || !isUnchanged(parts, inode, sequence)) {
    for (const { digest } of rows) parts.state.addRemoved({ kind: 'block', digest, born: sequence })
    return
  }
  const content = openContent(parts, inode)
  // The merged rows hold what was inline before, and the staged tail of a file that is still open.
  parts.held.dropTail(content)
  inode.inline = undefined
  for (const run of contiguous(rows)) {
    const first = run[0]!
    const last = run.at(-1)!
    replaceRows(parts, inode, content, first.offset, last.offset + last.length, run)
  }
  for (const index of content.pages.keys()) parts.state.tables.pages.delete(pageKey(ino, index))
  content.pages.clear()
  parts.inodes.markUnwritten(inode)
  parts.held.account(inode)
  parts.held.close(inode)
}

/** Nothing was written to the file since the commit of that sequence. */
function isUnchanged(parts: PublishedParts, inode: Inode, sequence: number): boolean {
  parts.inodes.loadDirty(inode)
  if (inode.nlink === 0 || inode.needsDirtyRow || inode.dirtySequence > sequence) return false
  const { content } = inode
  return content === undefined || (!content.hasHeld && unstagedTail(content.tail) === 0)
}

function contiguous(rows: PublishedCommit['merged'][number]['rows']): (typeof rows)[number][][] {
  const runs: (typeof rows)[number][][] = []
  for (const row of rows) {
    const run = runs.at(-1)
    const last = run?.at(-1)
    if (run !== undefined && last !== undefined && last.offset + last.length === row.offset) run.push(row)
    else runs.push([row])
  }
  return runs
}

async function dropRemoved(parts: PublishedParts, before: number): Promise<void> {
  const { removed } = parts.state.tables
  await inPages(removed, removedKey(before), (key) => removed.delete(key))
}

/** Rows are read right before they are cleared: a file that is removed meanwhile takes its row, and its count, with it. */
async function clearDirty(parts: PublishedParts, sequence: number): Promise<void> {
  await inPages(parts.state.tables.dirty, undefined, (key, value) => {
    const row = decodeDirty(value)
    if (row.sequence <= sequence) parts.inodes.clearDirty(readBe64(key), row)
  })
}

/** Visits rows in pages, which other work comes between; each page is as the table is then. */
async function inPages(
  table: Table,
  end: Uint8Array | undefined,
  visit: (key: Uint8Array, value: Uint8Array) => void,
): Promise<void> {
  const until = end === undefined ? {} : { end }
  for (let start = new Uint8Array(0); ; await new Promise((resolve) => setImmediate(resolve))) {
    const from = start.length === 0 ? {} : { start }
    const page = [...table.range({ ...from, ...until, limit: ROWS_PER_TURN })]
    for (const [key, value] of page) visit(key, value)
    if (page.length < ROWS_PER_TURN) return
    start = Buffer.concat([page.at(-1)![0], Buffer.of(0)])
  }
}
