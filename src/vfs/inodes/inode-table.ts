/**
 * All inodes: loading, numbering, the kernel's references, changed inodes, and removal. The kernel's reference counts
 * are kept apart, so a million cached kernel dentries cost a few bytes each and no object.
 */
import { DriveError, type FileId } from '../../base/index.js'
import { decodeInode, encodeInode, inodeKey, TYPE } from '../../tree-state/index.js'
import type { InodeRecord, RiskGauge } from '../../tree-state/index.js'
import { persistedSize } from '../content/persisted-size.js'
import { readBe64 } from '../../storage/kv/index.js'
import { ChangedInodes } from '../memory/changed-inodes.js'
import type { FileIds } from './file-ids.js'
import { Inode } from './inode.js'
import { InodeCache } from './inode-cache.js'
import { LookupCounts } from './lookup-counts.js'
import { newRecord, type NewInode } from './new-record.js'
import { clippedKey, orphanKey, writeOrphan } from './state-rows.js'
import type { TreeState, TreeTables } from './tree-state.js'
import { UnpublishedInodes } from './unpublished-inodes.js'

export class InodeTable {
  readonly #state: TreeState
  readonly #fileIds: FileIds
  readonly #risk: RiskGauge
  readonly #departures: ((inode: Inode) => void)[] = []
  #goesLater: (inode: Inode) => boolean = () => false
  #onGone: (ino: number) => void = () => undefined
  readonly #lookups = new LookupCounts()
  /** The kernel may know inodes below this number from a previous daemon, until it forgets them. */
  #knownBelow = 0
  readonly cache: InodeCache
  readonly unpublished: UnpublishedInodes
  /** Inodes whose row the next commit writes. */
  readonly changed = new ChangedInodes()

  constructor(state: TreeState, fileIds: FileIds, risk: RiskGauge, limit?: number) {
    this.#state = state
    this.#fileIds = fileIds
    this.#risk = risk
    this.cache = new InodeCache(limit)
    this.unpublished = new UnpublishedInodes(state)
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
    const known = this.cache.use(ino)
    if (known !== undefined) return known
    const row = this.#state.tables.inodes.get(inodeKey(ino))
    if (row === undefined) return undefined
    const inode = new Inode(decodeInode(ino, row), true)
    this.cache.add(inode)
    return inode
  }

  /** A new inode; its row is written by the next commit. */
  create(fields: NewInode): Inode {
    const ino = fields.ino ?? this.nextIno()
    const inode = new Inode(newRecord(fields, ino, this.#fileIds.make(ino), this.#state.now()), false)
    this.cache.add(inode)
    if (inode.isFile && inode.nlink > 0) this.#state.counters.totalFiles++
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
    const type = record.mode >>> 12
    const { counters } = this.#state
    if (type === TYPE.FILE) {
      counters.totalFiles++
      counters.totalBytes += record.size
    }
    if (type === TYPE.DIRECTORY && record.unloaded) counters.unloadedDirectories++
  }

  /** Whether the id was made for this tree, so that no directory still to be loaded names it. */
  isOwnId(id: FileId): boolean {
    return this.#fileIds.isOwn(id)
  }

  /**
   * Gives the inode an id of its own, which is published with its entry. A hard-linked file with the one before keeps
   * that.
   */
  renewId(inode: Inode): void {
    this.#fileIds.delete(inode.fileId, inode.ino)
    const keeper = this.#state.tables.ids.get(inode.fileId)
    if (keeper !== undefined) this.#fileIds.put(inode.fileId, readBe64(keeper))
    inode.fileId = this.#fileIds.make(inode.ino)
    this.#fileIds.put(inode.fileId, inode.ino)
    this.markChanged(inode)
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
    const inode = this.#knownBelow > ino ? this.find(ino) : this.cache.peek(ino)
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
    for (const inode of this.cache.all()) this.removeIfUnused(inode)
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
    if (inode.isDirectory && inode.unloaded) this.#state.counters.unloadedDirectories--
    for (const leave of this.#departures) leave(inode)
    this.#fileIds.delete(inode.fileId, ino)
    if (ref !== undefined)
      this.#state.addRemoved({ kind: inode.unloaded ? 'node' : 'map', digest: ref.digest, key: ref.key })
    if (inode.persisted) {
      tables.inodes.delete(inodeKey(ino))
      tables.state.delete(orphanKey(ino))
      markClipped(this.#state.tables, inode, false)
    }
    const linked = inode.isDirectory ? undefined : tables.ids.get(inode.fileId)
    // Another device may have published another file with this id.
    if (linked !== undefined && readBe64(linked) === ino) {
      this.#state.addRemoved({ kind: 'link', fileId: inode.fileId })
      tables.ids.delete(inode.fileId)
    }
    inode.gone = true
    inode.changed = false
    this.changed.delete(inode)
    this.cache.delete(ino)
  }

  /** The last name is gone: the inode leaves the tree, but stays while it is open or known to the kernel. */
  unlinked(inode: Inode): void {
    const { counters } = this.#state
    inode.parent = 0
    if (inode.isFile) {
      counters.totalFiles--
      counters.totalBytes -= inode.size
    }
    this.unpublished.leave(inode)
    this.removeIfUnused(inode)
  }

  /** Puts the rows of all changed inodes into the overlay, under the open sequence. */
  writeChanged(): void {
    const { tables } = this.#state
    for (const inode of this.changed) {
      this.cache.weigh(inode)
      const size = persistedSize(inode)
      markClipped(this.#state.tables, inode, size !== inode.size)
      tables.inodes.put(inodeKey(inode.ino), encodeInode(inode, size))
      inode.persisted = true
      inode.changed = false
      if (inode.nlink === 0) writeOrphan(this.#state, inode)
      else if (inode.needsDirtyRow) this.unpublished.write(inode)
    }
    this.changed.clear()
    this.cache.trim()
  }

  /** All changes before the current ones are durable. */
  noteDurable(): void {
    this.#risk.durable(this.changed.size)
  }
}

/** Marks that the row has a smaller size than was written: after a crash, there may be rows beyond that size. */
function markClipped({ state }: TreeTables, inode: Inode, isClipped: boolean): void {
  if (inode.isClipped === isClipped) return
  inode.isClipped = isClipped
  if (isClipped) state.put(clippedKey(inode.ino), Buffer.of(1))
  else state.delete(clippedKey(inode.ino))
}
