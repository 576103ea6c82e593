/**
 * The inodes in memory: loading, numbering, the kernel's references, what waits to be written, and removal.
 * Clean inodes nobody has open are dropped when there are too many, and all of them when nobody used any for a while;
 * the kernel's reference counts are kept apart, so a million cached kernel dentries cost a few bytes each and no
 * object.
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
  /** Nobody asked for an inode since `rest` was last called. */
  #isAtRest = false
  /** Inodes below it may be known to the kernel from a daemon before this one, until it forgets them. */
  #knownBelow = 0
  /** Inodes whose row the next commit writes. */
  readonly changed = new Set<Inode>()

  constructor(state: TreeState, fileIds: FileIds, risk: RiskGauge, limit: number = MAX_INODES) {
    this.#state = state
    this.#fileIds = fileIds
    this.#risk = risk
    this.#limit = limit
  }

  /** @param listener takes apart what else there is of an inode whose rows go, before they do */
  onDeparture(listener: (inode: Inode) => void): void {
    this.#departures.push(listener)
  }

  /** @param takes says of an inode that is to leave that it goes later, and has this asked again then */
  onLateDeparture(takes: (inode: Inode) => boolean): void {
    this.#goesLater = takes
  }

  /** @param listener hears of each inode that nothing refers to any more, before it leaves */
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

  /** A row of the published tree's making: in the store already, not changed. */
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

  /** The row must be written, but nothing changed that others would see. */
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
    // All references go at once, those from before as well.
    if (inode !== undefined) this.removeUnreferenced(inode)
  }

  /** The kernel may hold references to any inode below `ino` that were given by a daemon before this one. */
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

  /** As `removeIfUnused`, for an inode of which it is known that the kernel holds no reference. */
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

  /** The last name is gone: no longer part of the tree, but alive while it is open or known to the kernel. */
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

  /** Reads what the `dirty` row says, once. */
  loadDirty(inode: Inode): void {
    if (inode.dirtySequence !== -1) return
    const row = this.#state.tables.dirty.get(dirtyKey(inode.ino))
    const known = row === undefined ? undefined : decodeDirty(row)
    inode.dirtySequence = known?.sequence ?? 0
    inode.unpublishedBytes = known?.unpublishedBytes ?? 0
  }

  /** `bytes` of the file were staged; never counts more than the file has. */
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

  /** Forgets what the `dirty` row says, which a published commit holds. */
  clearDirty(ino: number, row: DirtyRow): void {
    const { counters, tables } = this.#state
    tables.dirty.delete(dirtyKey(ino))
    counters.dirtyInodes--
    if (row.isFile) counters.dirtyFiles--
    const inode = this.#cache.get(ino)
    const known = inode === undefined || inode.dirtySequence === -1 ? row.unpublishedBytes : inode.unpublishedBytes
    // What was staged since the row was written is in the next version.
    const left = inode?.needsDirtyRow === true ? Math.max(0, known - row.unpublishedBytes) : 0
    counters.unpublishedBytes -= known - left
    if (inode !== undefined) {
      inode.dirtySequence = 0
      inode.unpublishedBytes = left
    }
  }

  /** What was written before the changes there are now is durable. */
  noteDurable(): void {
    this.#risk.durable(this.changed.size)
  }

  /**
   * Inodes with changes that no published commit holds. Whether there are any is what the tables say, not the counter.
   */
  countDirty(): number {
    const { counters, tables } = this.#state
    let unwritten = 0
    for (const inode of this.changed) if (this.#isUncommitted(inode)) unwritten++
    if (unwritten > 0) return Math.max(0, counters.dirtyInodes) + unwritten
    for (const _ of tables.dirty.range({ limit: 1 })) return Math.max(1, counters.dirtyInodes)
    return 0
  }

  /** Changed files with nothing held that no commit has yet, and what is staged of them: rows in memory only. */
  countUncommitted(): { files: number; bytes: number } {
    const counts = { files: 0, bytes: 0 }
    for (const inode of this.changed) {
      // Bytes not even staged are counted where they are held.
      if (!inode.isFile || (inode.content?.accounted ?? 0) > 0 || !this.#isUncommitted(inode)) continue
      counts.files++
      counts.bytes += inode.unpublishedBytes
    }
    return counts
  }

  /** Drops unused objects while there are too many: a bounded look at the oldest ones. */
  trim(): void {
    let steps = SWEEP
    for (const [ino, inode] of this.#cache) {
      if (this.#cache.size <= this.#limit || steps-- === 0) return
      this.#cache.delete(ino)
      if (inode.used || !isDroppable(inode)) this.#cache.set(ino, inode)
      inode.used = false
    }
  }

  /** Nobody asked for an inode for as long as it is since the last call: all that can be loaded again are dropped. */
  rest(): void {
    if (this.#isAtRest) for (const [ino, inode] of this.#cache) if (isDroppable(inode)) this.#cache.delete(ino)
    this.#isAtRest = true
  }

  /** Nobody asked for one since `rest` was last called. */
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

  /** It changed, and has no `dirty` row that says so. */
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

/** Notes at commit that the row claims less than was written: rows beyond it may be in the store after a crash. */
function markClipped({ state }: TreeTables, inode: Inode, isClipped: boolean): void {
  if (inode.isClipped === isClipped) return
  inode.isClipped = isClipped
  if (isClipped) state.put(clippedKey(inode.ino), Buffer.of(1))
  else state.delete(clippedKey(inode.ino))
}

/** Cookies below it are left to `.` and `..`. */
export const FIRST_COOKIE = 3
