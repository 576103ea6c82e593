/**
 * The inodes in memory: loading, numbering, the kernel's references, dirty inodes, and removal. Clean inodes without
 * handles are dropped when there are too many, and all of them after an idle period. The kernel's reference counts are
 * kept apart, so a million cached kernel dentries cost a few bytes each and no object.
 */
import { DriveError } from '../../base/index.js'
import { decodeInode, dirtyKey, encodeInode, inodeKey, TYPE } from '../../tree-state/index.js'
import type { InodeRecord, RiskGauge } from '../../tree-state/index.js'
import { persistedSize } from '../content/persisted-size.js'
import { decodeDirty, encodeDirty, type DirtyRow } from './dirty-row.js'
import type { FileIds } from './file-ids.js'
import { Inode, isDroppable, withSize } from './inode.js'
import { LookupCounts } from './lookup-counts.js'
import { clippedKey, orphanKey } from './state-rows.js'
import type { TreeState, TreeTables } from './tree-state.js'

const MAX_INODES = 30_000
const SWEEP = 256

export class InodeTable {
  readonly #state: TreeState
  readonly #fileIds: FileIds
  readonly #risk: RiskGauge
  readonly #departures: ((inode: Inode) => void)[] = []
  #goesLater: (inode: Inode) => boolean = () => false
  #onGone: (ino: number) => void = () => undefined
  readonly #cache = new Map<number, Inode>()
  readonly #lookups = new LookupCounts()
  readonly #limit: number
  /** No inode was requested since the last call of `rest`. */
  #isAtRest = false
  /** The kernel may know inodes below this number from a previous daemon, until it forgets them. */
  #knownBelow = 0
  /** Inodes whose row the next commit writes. */
  readonly changed = new Set<Inode>()

  constructor(state: TreeState, fileIds: FileIds, risk: RiskGauge, limit: number = MAX_INODES) {
    this.#state = state
    this.#fileIds = fileIds
    this.#risk = risk
    this.#limit = limit
  }

  /** @param listener removes other state of an inode, before its rows are deleted */
  onDeparture(listener: (inode: Inode) => void): void {
    this.#departures.push(listener)
  }

  /** @param takes returns true if the inode has to be removed later; the table asks again at a commit */
  onLateDeparture(takes: (inode: Inode) => boolean): void {
    this.#goesLater = takes
  }

  /** @param listener called for each inode without references, before it is removed */
  onGone(listener: (ino: number) => void): void {
    this.#onGone = listener
  }

  /** Throws STALE when there is no such inode. */
  get(ino: number): Inode {
    const inode = this.find(ino)
    if (inode === undefined) throw new DriveError('STALE', 'The file no longer exists.', { about: { ino } })
    return inode
  }

  find(ino: number): Inode | undefined {
    this.#isAtRest = false
    const known = this.#cache.get(ino)
    if (known !== undefined) {
      known.used = true
      return known
    }
    const row = this.#state.tables.inodes.get(inodeKey(ino))
    if (row === undefined) return undefined
    const inode = new Inode(decodeInode(ino, row), true)
    this.#add(inode)
    return inode
  }

  /** The object if it is in memory. */
  cached(ino: number): Inode | undefined {
    return this.#cache.get(ino)
  }

  /** A new inode; its row is written by the next commit. */
  create(fields: {
    mode: number
    uid: number
    gid: number
    nlink: number
    rdev: number
    parent: number
    inline?: Uint8Array
    ino?: number
  }): Inode {
    const { sec, nsec } = this.#state.now()
    const ino = fields.ino ?? this.nextIno()
    const inode = new Inode(
      {
        ino,
        fileId: this.#fileIds.make(ino),
        mode: fields.mode,
        uid: fields.uid,
        gid: fields.gid,
        nlink: fields.nlink,
        rdev: fields.rdev,
        size: fields.inline?.length ?? 0,
        atimeSec: sec,
        atimeNsec: nsec,
        mtimeSec: sec,
        mtimeNsec: nsec,
        ctimeSec: sec,
        ctimeNsec: nsec,
        btimeSec: sec,
        btimeNsec: nsec,
        parent: fields.parent,
        nextCookie: FIRST_COOKIE,
        fixedChunks: false,
        inline: fields.inline,
        ref: undefined,
        unloaded: false,
        xattrs: [],
      },
      false,
    )
    this.#add(inode)
    if (inode.isFile) this.#state.counters.totalFiles++
    this.markChanged(inode)
    return inode
  }

  nextIno(): number {
    return this.#state.counters.nextIno++
  }

  /** Adds a row loaded from the published tree: it is in the store already and is not dirty. */
  putLoaded(record: InodeRecord): void {
    this.#state.tables.inodes.put(inodeKey(record.ino), encodeInode(record))
    this.#fileIds.put(record.fileId, record.ino)
    if (record.mode >>> 12 === TYPE.FILE) {
      this.#state.counters.totalFiles++
      this.#state.counters.totalBytes += record.size
    }
  }

  /** Content, attributes or entries changed: written by the next commit, published by the next published commit. */
  markChanged(inode: Inode): void {
    this.markUnwritten(inode)
    this.#state.noteChange()
    if (inode.nlink === 0) return
    inode.needsDirtyRow = true
    this.#state.signal.changed()
  }

  /** The row must be written, but no visible change has to be published. */
  markUnwritten(inode: Inode): void {
    if (inode.changed || inode.gone) return
    inode.changed = true
    this.changed.add(inode)
    this.#risk.inodeChanged()
  }

  /** ctime (and with `modified` also mtime) becomes now; the inode's row is written by the next commit. */
  stampChange(inode: Inode, modified: boolean): void {
    const { sec, nsec } = this.#state.now()
    inode.ctimeSec = sec
    inode.ctimeNsec = nsec
    if (modified) {
      inode.mtimeSec = sec
      inode.mtimeNsec = nsec
    }
    this.markChanged(inode)
  }

  remember(ino: number): void {
    this.#lookups.add(ino, 1)
  }

  forget(ino: number, count: number): void {
    if (this.#lookups.add(ino, -count) > 0) return
    const inode = this.#knownBelow > ino ? this.find(ino) : this.#cache.get(ino)
    // All references of the inode are gone at once, including those from a previous daemon.
    if (inode !== undefined) this.removeUnreferenced(inode)
  }

  /** The kernel may hold references to any inode below `ino`, given by a previous daemon. */
  assumeKnownBelow(ino: number): void {
    this.#knownBelow = ino
  }

  /** The kernel holds no reference any more. */
  forgetAll(): void {
    this.#lookups.clear()
    this.#knownBelow = 0
    for (const inode of [...this.#cache.values()]) this.removeIfUnused(inode)
  }

  /** Deletes every row of an inode without names, handles and kernel references. */
  removeIfUnused(inode: Inode): void {
    if (inode.ino < this.#knownBelow || this.#lookups.has(inode.ino)) return
    this.removeUnreferenced(inode)
  }

  /** As `removeIfUnused`, for an inode that the kernel is known not to reference. */
  removeUnreferenced(inode: Inode): void {
    if (inode.nlink > 0 || inode.handles > 0 || inode.pins > 0 || inode.gone) return
    this.#onGone(inode.ino)
    if (this.#goesLater(inode)) return this.markUnwritten(inode)
    const { tables } = this.#state
    const { ino, ref } = inode
    for (const leave of this.#departures) leave(inode)
    this.#fileIds.delete(inode.fileId, ino)
    if (ref !== undefined)
      this.#state.addRemoved({ kind: inode.unloaded ? 'node' : 'map', digest: ref.digest, key: ref.key })
    if (inode.persisted) {
      tables.inodes.delete(inodeKey(ino))
      tables.state.delete(orphanKey(ino))
      markClipped(this.#state.tables, inode, false)
    }
    if (!inode.isDirectory && tables.ids.get(inode.fileId) !== undefined) {
      this.#state.addRemoved({ kind: 'link', fileId: inode.fileId })
      tables.ids.delete(inode.fileId)
    }
    inode.gone = true
    inode.changed = false
    this.changed.delete(inode)
    this.#cache.delete(ino)
  }

  /** The last name is gone: the inode leaves the tree, but stays while it is open or known to the kernel. */
  unlinked(inode: Inode): void {
    const { counters, tables } = this.#state
    inode.parent = 0
    if (inode.isFile) {
      counters.totalFiles--
      counters.totalBytes -= inode.size
    }
    this.loadDirty(inode)
    if (inode.dirtySequence > 0) {
      tables.dirty.delete(dirtyKey(inode.ino))
      counters.dirtyInodes--
      if (inode.isFile) counters.dirtyFiles--
    }
    counters.unpublishedBytes -= inode.unpublishedBytes
    inode.unpublishedBytes = 0
    inode.dirtySequence = 0
    inode.needsDirtyRow = false
    this.removeIfUnused(inode)
  }

  /** Reads the `dirty` row, once. */
  loadDirty(inode: Inode): void {
    if (inode.dirtySequence !== -1) return
    const row = this.#state.tables.dirty.get(dirtyKey(inode.ino))
    const known = row === undefined ? undefined : decodeDirty(row)
    inode.dirtySequence = known?.sequence ?? 0
    inode.unpublishedBytes = known?.unpublishedBytes ?? 0
  }

  /** Adds `bytes` staged bytes of the file; never counts more than the file's size. */
  addUnpublished(inode: Inode, bytes: number): void {
    if (inode.nlink === 0) return
    this.loadDirty(inode)
    const before = inode.unpublishedBytes
    inode.unpublishedBytes = Math.max(0, Math.min(inode.size, before + bytes))
    this.#state.counters.unpublishedBytes += inode.unpublishedBytes - before
  }

  /** Puts the rows of all changed inodes into the overlay, under the open sequence. */
  writeChanged(): void {
    const { tables, sequence } = this.#state
    for (const inode of this.changed) {
      const size = persistedSize(inode)
      markClipped(this.#state.tables, inode, size !== inode.size)
      tables.inodes.put(
        inodeKey(inode.ino),
        size === inode.size ? encodeInode(inode) : encodeInode(withSize(inode, size)),
      )
      inode.persisted = true
      inode.changed = false
      if (inode.nlink === 0) tables.state.put(orphanKey(inode.ino), Buffer.of(1))
      else if (inode.needsDirtyRow) this.#writeDirty(inode, sequence)
    }
    this.changed.clear()
    this.trim()
  }

  /** Clears the `dirty` row, whose changes are in a published commit. */
  clearDirty(ino: number, row: DirtyRow): void {
    const { counters, tables } = this.#state
    tables.dirty.delete(dirtyKey(ino))
    counters.dirtyInodes--
    if (row.isFile) counters.dirtyFiles--
    const inode = this.#cache.get(ino)
    const known = inode === undefined || inode.dirtySequence === -1 ? row.unpublishedBytes : inode.unpublishedBytes
    // Bytes staged after the row was written belong to the next version.
    const left = inode?.needsDirtyRow === true ? Math.max(0, known - row.unpublishedBytes) : 0
    counters.unpublishedBytes -= known - left
    if (inode !== undefined) {
      inode.dirtySequence = 0
      inode.unpublishedBytes = left
    }
  }

  /** All changes before the current ones are durable. */
  noteDurable(): void {
    this.#risk.durable(this.changed.size)
  }

  /** Number of inodes with unpublished changes. The tables decide whether it is zero, not the counter. */
  countDirty(): number {
    const { counters, tables } = this.#state
    let unwritten = 0
    for (const inode of this.changed) if (this.#isUncommitted(inode)) unwritten++
    if (unwritten > 0) return Math.max(0, counters.dirtyInodes) + unwritten
    for (const _ of tables.dirty.range({ limit: 1 })) return Math.max(1, counters.dirtyInodes)
    return 0
  }

  /** Counts changed files without held bytes that no commit has yet, and their staged bytes. */
  countUncommitted(): { files: number; bytes: number } {
    const counts = { files: 0, bytes: 0 }
    for (const inode of this.changed) {
      // Bytes that are not staged are counted as held elsewhere.
      if (!inode.isFile || (inode.content?.accounted ?? 0) > 0 || !this.#isUncommitted(inode)) continue
      counts.files++
      counts.bytes += inode.unpublishedBytes
    }
    return counts
  }

  /** Drops unused objects while there are too many: checks a bounded number of the oldest ones. */
  trim(): void {
    let steps = SWEEP
    for (const [ino, inode] of this.#cache) {
      if (this.#cache.size <= this.#limit || steps-- === 0) return
      this.#cache.delete(ino)
      if (inode.used || !isDroppable(inode)) this.#cache.set(ino, inode)
      inode.used = false
    }
  }

  /** Call it periodically. If no inode was requested since the last call, drops all that can be loaded again. */
  rest(): void {
    if (this.#isAtRest) for (const [ino, inode] of this.#cache) if (isDroppable(inode)) this.#cache.delete(ino)
    this.#isAtRest = true
  }

  /** No inode was requested since the last call of `rest`. */
  get isAtRest(): boolean {
    return this.#isAtRest
  }

  get size(): number {
    return this.#cache.size
  }

  #add(inode: Inode): void {
    this.#cache.set(inode.ino, inode)
    if (this.#cache.size > this.#limit && this.#cache.size % 32 === 0) this.trim()
  }

  /** The inode changed and has no `dirty` row yet. */
  #isUncommitted(inode: Inode): boolean {
    if (!inode.needsDirtyRow) return false
    this.loadDirty(inode)
    return inode.dirtySequence === 0
  }

  #writeDirty(inode: Inode, sequence: number): void {
    const { counters, tables } = this.#state
    this.loadDirty(inode)
    if (inode.dirtySequence === 0) {
      counters.dirtyInodes++
      if (inode.isFile) counters.dirtyFiles++
    }
    inode.dirtySequence = sequence
    inode.needsDirtyRow = false
    tables.dirty.put(dirtyKey(inode.ino), encodeDirty(sequence, inode))
  }
}

/** Marks that the row has a smaller size than was written: after a crash, there may be rows beyond that size. */
function markClipped({ state }: TreeTables, inode: Inode, isClipped: boolean): void {
  if (inode.isClipped === isClipped) return
  inode.isClipped = isClipped
  if (isClipped) state.put(clippedKey(inode.ino), Buffer.of(1))
  else state.delete(clippedKey(inode.ino))
}

/** Smaller cookies are reserved for `.` and `..`. */
export const FIRST_COOKIE = 3
