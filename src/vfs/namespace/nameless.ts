/**
 * Linked files whose last known name was removed. While a directory is only on a node, or has entries that this program
 * cannot read, such a file may have another name there, so it stays, with a row in `state`. When every name is known,
 * the names decide, whatever link count another device published.
 */
import { rowsOf } from '../../tree-state/index.js'
import { be64, pagesOf, readBe64 } from '../../storage/kv/index.js'
import type { Inode } from '../inodes/inode.js'
import type { InodeTable } from '../inodes/inode-table.js'
import type { TreeState } from '../inodes/tree-state.js'

interface NamelessParts {
  readonly state: TreeState
  readonly inodes: InodeTable
}

const NAMELESS = Buffer.from('nameless/', 'latin1')
const NAMELESS_END = Buffer.from('nameless0', 'latin1')
const SOME_UNREADABLE = Buffer.from('someUnreadable', 'latin1')
const PRESENT = Buffer.of(1)
const ROWS_A_PAGE = 256

const keyOf = (ino: number): Buffer => Buffer.concat([NAMELESS, be64(ino)])

/** A loaded directory has entries that cannot be read. One of them may be a folder with names of linked files. */
export function noteUnreadableEntries({ tables }: TreeState): void {
  tables.state.put(SOME_UNREADABLE, PRESENT)
}

/** The last known name of a linked file is gone. */
export function loseLastName({ state, inodes }: NamelessParts, inode: Inode): void {
  if (!isEveryNameKnown(state)) return state.tables.state.put(keyOf(inode.ino), PRESENT)
  inode.nlink = 0
  inodes.unlinked(inode)
}

/** A linked file was found under a name. */
export function foundName({ tables }: TreeState, ino: number): void {
  if (tables.state.get(keyOf(ino)) !== undefined) tables.state.delete(keyOf(ino))
}

/** Removes the files that turned out to have no name; see `loseLastName`. Call it when a directory is loaded. */
export async function removeNameless(parts: NamelessParts): Promise<void> {
  for (const _ of namelessRemoved(parts)) await new Promise((resolve) => setImmediate(resolve))
}

/** Removes some with each step. */
export function* namelessRemoved({ state, inodes }: NamelessParts): Generator<void, undefined> {
  if (!isEveryNameKnown(state)) return
  const rows = state.tables.state
  for (const page of pagesOf(rows, { start: NAMELESS, end: NAMELESS_END, pageRows: ROWS_A_PAGE })) {
    for (const [key] of page) {
      rows.delete(key)
      const inode = inodes.find(readBe64(key, NAMELESS.length))
      if (inode === undefined || inode.nlink === 0 || hasName(state, inode)) continue
      inode.nlink = 0
      inodes.markUnwritten(inode)
      inodes.unlinked(inode)
    }
    yield
  }
}

function isEveryNameKnown({ counters, tables }: TreeState): boolean {
  return counters.unloadedDirectories === 0 && tables.state.get(SOME_UNREADABLE) === undefined
}

function hasName({ tables }: TreeState, { ino, parent }: Inode): boolean {
  if (parent !== 0) return true
  for (const _ of tables.links.keys({ ...rowsOf(ino), limit: 1 })) return true
  return false
}
