/** The tables of the tree, its counters and the open commit sequence, shared by every part of the tree. */
import type { Clock } from '../../base/index.js'
import type { Environment, Table } from '../../storage/kv/index.js'
import { encodeRemoved, removedKey, tableOptions, TABLES, type RemovedRecord } from '../../tree-state/index.js'
import type { SyncSignal } from '../staging/wake-publisher.js'
import type { Timestamp } from '../../model/index.js'

export interface TreeTables {
  readonly inodes: Table
  readonly dentries: Table
  readonly chunks: Table
  readonly pages: Table
  readonly links: Table
  readonly ids: Table
  readonly foreign: Table
  readonly dirty: Table
  readonly removed: Table
  readonly state: Table
}

/** Updated together with the tables. Counters about changes are recounted when the drive is opened (state-rows.ts). */
export interface Counters {
  nextIno: number
  nextRemoved: number
  totalFiles: number
  totalBytes: number
  /** Directories whose entries are only on a node: files in them are not in the totals. */
  unloadedDirectories: number
  dirtyInodes: number
  dirtyFiles: number
  unpublishedBytes: number
}

export class TreeState {
  readonly tables: TreeTables
  /** The sequence of the next commit, which takes the current changes. */
  sequence = 1
  /** The newest commit on disk. */
  durable = 0
  /** The last time returned by `now`. */
  lastStamp: Timestamp = { sec: 0, nsec: 0 }
  /** While operations of a killed daemon are replayed, `now` always returns this time. */
  fixedStamp: Timestamp | undefined
  /** The change being made is logged by the mount before it is answered. */
  isLogged = false
  /** The commit that takes the last change of a name that no log has. */
  unlogged = 0
  /** Resolves when it is on disk; see `Redo.commitUnlogged`. */
  commitUnlogged: () => Promise<void> = () => Promise.resolve()
  /** The last sequence whose commit is published. */
  published = 0
  counters: Counters = {
    nextIno: 2,
    nextRemoved: 1,
    totalFiles: 0,
    totalBytes: 0,
    unloadedDirectories: 0,
    dirtyInodes: 0,
    dirtyFiles: 0,
    unpublishedBytes: 0,
  }
  /** Inode numbers below it are not reused after a kill. */
  reservedIno = 0
  /** The same on disk: new numbers are below it. */
  durableReservedIno = 0
  /** The next commit is the last. */
  isClosing = false
  /** Clock.nowMs of the last change. */
  lastChangeMs = 0
  /** Signals changes that no version has. */
  readonly signal: SyncSignal
  readonly #meta: Environment
  readonly #clock: Clock

  constructor(meta: Environment, clock: Clock, signal: SyncSignal) {
    this.signal = signal
    this.#meta = meta
    this.#clock = clock
    const open = (name: string): Table => meta.table(name, tableOptions(name))
    this.tables = {
      inodes: open(TABLES.inodes),
      dentries: open(TABLES.dentries),
      chunks: open(TABLES.chunks),
      pages: open(TABLES.pages),
      links: open(TABLES.links),
      ids: open(TABLES.ids),
      foreign: open(TABLES.foreign),
      dirty: open(TABLES.dirty),
      removed: open(TABLES.removed),
      state: open(TABLES.state),
    }
  }

  now(): Timestamp {
    if (this.fixedStamp !== undefined) return this.fixedStamp
    return (this.lastStamp = this.#clock.now())
  }

  noteChange(): void {
    this.lastChangeMs = this.#clock.nowMs()
  }

  /** Bytes of rows that are not durable yet. */
  get pendingBytes(): number {
    return this.#meta.pendingBytes
  }

  get hasPending(): boolean {
    return this.#meta.pendingCount > 0
  }

  /** Makes every row put so far durable; see Environment.commit. */
  commit(): Promise<void> {
    return this.#meta.commit()
  }

  /** Records a block that the published version uses and the tree no longer does; see TABLES.removed. */
  addRemoved(record: RemovedRecord): void {
    this.tables.removed.put(removedKey(this.counters.nextRemoved++), encodeRemoved(record))
  }

  /** Changes the size of a file and the total over all files. */
  setSize(inode: { readonly nlink: number; size: number }, size: number): void {
    if (inode.nlink > 0) this.counters.totalBytes += size - inode.size
    inode.size = size
  }
}
