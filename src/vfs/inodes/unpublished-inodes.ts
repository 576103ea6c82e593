/**
 * The inodes with changes that no version contains: the rows of `dirty`, and counters over them. A change has no row
 * before it is committed.
 */
import { dirtyKey, type DriveCounts, type FrozenCounts, type LevelCounts } from '../../tree-state/index.js'
import { decodeDirty, encodeDirty, type DirtyRow } from './dirty-row.js'
import type { Inode } from './inode.js'
import type { TreeState } from './tree-state.js'

type UnpublishedLevels = Pick<DriveCounts, 'held' | 'staged' | 'frozen'>

export class UnpublishedInodes {
  readonly #state: TreeState
  /** Of the rows up to the last freeze, those that are neither changed nor published since. */
  #frozen: FrozenCounts = { sequence: 0, files: 0, bytes: 0 }

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
    this.#thaw(inode)
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
    this.#thaw(inode)
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
    this.#subtract(row)
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

  /** All rows so far belong to the version that is made of commit `sequence`. */
  freeze(sequence: number): void {
    const { dirtyFiles: files, unpublishedBytes: bytes } = this.#state.counters
    this.#frozen = { sequence, files, bytes }
  }

  /**
   * Counts each file with unpublished changes once: in `held` if a part of it is in no commit, otherwise in `staged`.
   * `frozen` is the part of `staged` that the version of the last freeze contains.
   *
   * @param changed inodes whose rows the next commit writes
   * @param holding inodes with bytes that are only in memory
   */
  levels(changed: Iterable<Inode>, holding: Iterable<Inode>): UnpublishedLevels {
    const { dirtyFiles, unpublishedBytes } = this.#state.counters
    const held = { files: 0, bytes: 0 }
    const staged = { files: dirtyFiles, bytes: unpublishedBytes }
    const frozen = { ...this.#frozen }
    const lift = (inode: Inode): void => {
      this.load(inode)
      held.files++
      if (inode.nlink === 0 || inode.dirtySequence === 0) return
      staged.files--
      const row = this.#frozenRow(inode)
      frozen.files -= row === undefined ? 0 : 1
      frozen.bytes -= row?.unpublishedBytes ?? 0
    }
    for (const inode of holding) {
      lift(inode)
      // Bytes that are written again while they are sealed are in memory twice.
      const inMemory = inode.content?.accounted ?? 0
      const bytes = inode.nlink > 0 ? Math.min(inMemory, inode.size) : inMemory
      held.bytes += bytes
      // Bytes that were staged before and are written again are counted as held only.
      if (inode.nlink > 0)
        staged.bytes -= Math.max(0, Math.min(inode.unpublishedBytes, bytes + inode.unpublishedBytes - inode.size))
    }
    for (const inode of changed) {
      // Closed files are staged at once, but only in memory until the commit.
      if (!inode.isFile || !inode.needsDirtyRow || (inode.content?.accounted ?? 0) > 0) continue
      lift(inode)
      const bytes = inode.unpublishedBytes - (this.#row(inode)?.unpublishedBytes ?? 0)
      held.bytes += Math.max(0, bytes)
      staged.bytes -= Math.max(0, bytes)
    }
    return { held, staged: atLeastZero(staged), frozen: { ...frozen, ...atLeastZero(frozen) } }
  }

  /** The inode changed and has no row yet. */
  #isUncommitted(inode: Inode): boolean {
    if (!inode.needsDirtyRow) return false
    this.load(inode)
    return inode.dirtySequence === 0
  }

  /** The row of the last freeze, if the inode has not changed since. */
  #frozenRow(inode: Inode): DirtyRow | undefined {
    const { files, sequence } = this.#frozen
    return files > 0 && inode.isFile && inode.dirtySequence <= sequence ? this.#row(inode) : undefined
  }

  #row(inode: Inode): DirtyRow | undefined {
    const row = inode.dirtySequence <= 0 ? undefined : this.#state.tables.dirty.get(dirtyKey(inode.ino))
    return row && decodeDirty(row)
  }

  /** A later commit has changes of the inode, or it is removed. */
  #thaw(inode: Inode): void {
    const row = this.#frozenRow(inode)
    if (row !== undefined) this.#subtract(row)
  }

  #subtract({ sequence, isFile, unpublishedBytes }: DirtyRow): void {
    const { files, bytes, ...frozen } = this.#frozen
    if (!isFile || sequence > frozen.sequence) return
    this.#frozen = { ...frozen, files: files - 1, bytes: bytes - unpublishedBytes }
  }
}

function atLeastZero({ files, bytes }: LevelCounts): LevelCounts {
  return { files: Math.max(0, files), bytes: Math.max(0, bytes) }
}
