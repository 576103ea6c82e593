/**
 * The inodes with changes that no version contains: the rows of `dirty`, and counters over them. A change has no row
 * before it is committed.
 */
import { dirtyKey } from '../../tree-state/index.js'
import { decodeDirty, encodeDirty, type DirtyRow } from './dirty-row.js'
import type { Inode } from './inode.js'
import type { TreeState } from './tree-state.js'

export class UnpublishedInodes {
  readonly #state: TreeState

  constructor(state: TreeState) {
    this.#state = state
  }

  /** Reads the `dirty` row, once. */
  load(inode: Inode): void {
    if (inode.dirtySequence !== -1) return
    const row = this.#state.tables.dirty.get(dirtyKey(inode.ino))
    const known = row === undefined ? undefined : decodeDirty(row)
    inode.dirtySequence = known?.sequence ?? 0
    inode.unpublishedBytes = known?.unpublishedBytes ?? 0
  }

  /** Adds `bytes` staged bytes of the file; never counts more than the file's size. */
  addBytes(inode: Inode, bytes: number): void {
    if (inode.nlink === 0) return
    this.load(inode)
    const before = inode.unpublishedBytes
    inode.unpublishedBytes = Math.max(0, Math.min(inode.size, before + bytes))
    this.#state.counters.unpublishedBytes += inode.unpublishedBytes - before
  }

  /** Writes the row, with the sequence of the open commit. */
  write(inode: Inode): void {
    const { counters, tables, sequence } = this.#state
    this.load(inode)
    if (inode.dirtySequence === 0) {
      counters.dirtyInodes++
      if (inode.isFile) counters.dirtyFiles++
    }
    inode.dirtySequence = sequence
    inode.needsDirtyRow = false
    tables.dirty.put(dirtyKey(inode.ino), encodeDirty(sequence, inode))
  }

  /** The inode was removed from the tree and needs no publishing. */
  leave(inode: Inode): void {
    const { counters, tables } = this.#state
    this.load(inode)
    if (inode.dirtySequence > 0) {
      tables.dirty.delete(dirtyKey(inode.ino))
      counters.dirtyInodes--
      if (inode.isFile) counters.dirtyFiles--
    }
    counters.unpublishedBytes -= inode.unpublishedBytes
    inode.unpublishedBytes = 0
    inode.dirtySequence = 0
    inode.needsDirtyRow = false
  }

  /**
   * Clears a row whose changes are in a published commit.
   *
   * @param inode its object, if it is in memory
   */
  clear(ino: number, row: DirtyRow, inode: Inode | undefined): void {
    const { counters, tables } = this.#state
    tables.dirty.delete(dirtyKey(ino))
    counters.dirtyInodes--
    if (row.isFile) counters.dirtyFiles--
    const known = inode === undefined || inode.dirtySequence === -1 ? row.unpublishedBytes : inode.unpublishedBytes
    // Bytes staged after the row was written belong to the next version.
    const left = inode?.needsDirtyRow === true ? Math.max(0, known - row.unpublishedBytes) : 0
    counters.unpublishedBytes -= known - left
    if (inode !== undefined) {
      inode.dirtySequence = 0
      inode.unpublishedBytes = left
    }
  }

  /**
   * Number of inodes with unpublished changes. The tables decide whether it is zero, not the counter.
   *
   * @param changed inodes whose rows the next commit writes
   */
  count(changed: Iterable<Inode>): number {
    const { counters, tables } = this.#state
    let unwritten = 0
    for (const inode of changed) if (this.#isUncommitted(inode)) unwritten++
    if (unwritten > 0) return Math.max(0, counters.dirtyInodes) + unwritten
    for (const _ of tables.dirty.range({ limit: 1 })) return Math.max(1, counters.dirtyInodes)
    return 0
  }

  /** Counts the files of `changed` without held bytes that no commit has yet, and their staged bytes. */
  countUncommitted(changed: Iterable<Inode>): { files: number; bytes: number } {
    const counts = { files: 0, bytes: 0 }
    for (const inode of changed) {
      // Bytes that are not staged are counted as held elsewhere.
      if (!inode.isFile || (inode.content?.accounted ?? 0) > 0 || !this.#isUncommitted(inode)) continue
      counts.files++
      counts.bytes += inode.unpublishedBytes
    }
    return counts
  }

  /** The inode changed and has no row yet. */
  #isUncommitted(inode: Inode): boolean {
    if (!inode.needsDirtyRow) return false
    this.load(inode)
    return inode.dirtySequence === 0
  }
}
