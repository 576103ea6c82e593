/**
 * The tree as it was at one committed instant, decoded and read only. Sync, history and checks read this and no raw
 * rows. Whatever may grow with the drive comes as a generator that holds one page of rows.
 */
import { readBe48, readBe64, keysIn, rowsIn, type Snapshot, type Table } from '../storage/kv/index.js'
import { TABLES, type ChunkRecord, type DentryRecord, type InodeRecord } from './contract.js'
import { decodeInode } from './inode-record.js'
import { chunkKey, dirtyKey, inodeKey, removedKey, rowsBetween, rowsOf, secondOf } from './keys.js'
import { decodeChunk, decodeDentry, decodeRemoved, type RemovedRecord } from './row-records.js'

const ORPHAN = Buffer.from('orphan/')
const AFTER_ORPHAN = Buffer.from('orphan0')

/** Four thousand of them would be 16 MiB. */
const PAGES_AT_ONCE = 256

type ReadTable = Pick<Table, 'get' | 'range' | 'keys'>

export interface StagedPage {
  readonly index: number
  readonly bytes: Uint8Array
}

/** A change since the last published commit: the inode, and the sequence of the commit its last change belongs to. */
export interface TreeChange {
  readonly ino: number
  readonly sequence: number
}

export class TreeView {
  readonly #inodes: ReadTable
  readonly #dentries: ReadTable
  readonly #chunks: ReadTable
  readonly #pages: ReadTable
  readonly #links: ReadTable
  readonly #ids: ReadTable
  readonly #dirty: ReadTable
  readonly #removed: ReadTable
  readonly #state: ReadTable

  constructor(private readonly snapshot: Snapshot) {
    const table = (name: string): ReadTable => snapshot.table(name, { sealed: true })
    this.#inodes = table(TABLES.inodes)
    this.#dentries = table(TABLES.dentries)
    this.#chunks = table(TABLES.chunks)
    this.#pages = table(TABLES.pages)
    this.#links = table(TABLES.links)
    this.#ids = table(TABLES.ids)
    this.#dirty = table(TABLES.dirty)
    this.#removed = table(TABLES.removed)
    this.#state = table(TABLES.state)
  }

  close(): void {
    this.snapshot.close()
  }

  /** The sequence of the last published commit the drive thread knows of; 0 before the first. */
  get published(): number {
    const value = this.#state.get(Buffer.from('published'))
    return value === undefined ? 0 : readBe48(value)
  }

  get nextRemoved(): number {
    const value = this.#state.get(Buffer.from('nextRemoved'))
    return value === undefined ? 0 : readBe64(value)
  }

  inode(ino: number): InodeRecord | undefined {
    const value = this.#inodes.get(inodeKey(ino))
    return value === undefined ? undefined : decodeInode(ino, value)
  }

  isDirty(ino: number): boolean {
    return this.#dirty.get(dirtyKey(ino)) !== undefined
  }

  /**
   * The change log: inodes in the tree whose last change is in a commit after `sequence`, in order of their numbers.
   */
  *changes(sequence = 0, from = 0): Generator<TreeChange, undefined> {
    for (const [key, value] of rowsIn(this.#dirty, { start: dirtyKey(from) })) {
      const at = readBe48(value)
      if (at > sequence) yield { ino: readBe64(key), sequence: at }
    }
  }

  get hasChanges(): boolean {
    for (const _ of this.#dirty.range({ limit: 1 })) return true
    return false
  }

  /**
   * What left the tree since the published version and is not settled, oldest first.
   * @param from counter of the first row
   */
  *removed(from = 0): Generator<RemovedRecord, undefined> {
    for (const [, value] of rowsIn(this.#removed, { start: removedKey(from) })) yield decodeRemoved(value)
  }

  get hasRemoved(): boolean {
    for (const _ of this.#removed.range({ limit: 1 })) return true
    return false
  }

  /**
   * Every inode with a name, a number of its own, or an open handle, in order of the numbers. @param from the least
   * number
   */
  *inodes(from = 0): Generator<InodeRecord, undefined> {
    for (const [key, value] of rowsIn(this.#inodes, { start: inodeKey(from) })) yield decodeInode(readBe64(key), value)
  }

  /** Entries of a loaded directory, in no order a user knows. */
  *entries(directory: number): Generator<DentryRecord, undefined> {
    for (const [, value] of rowsIn(this.#dentries, rowsOf(directory))) yield decodeDentry(value)
  }

  hasEntries(directory: number): boolean {
    for (const _ of this.#dentries.range({ ...rowsOf(directory), limit: 1 })) return true
    return false
  }

  /** Rows of a file in order of their offsets. */
  *chunks(ino: number): Generator<ChunkRecord, undefined> {
    for (const [key, value] of rowsIn(this.#chunks, rowsOf(ino))) yield decodeChunk(secondOf(key), value)
  }

  /** Rows that begin at `from <= offset < to`; one that begins before `from` may reach over it. */
  *chunksBetween(ino: number, from: number, to: number): Generator<ChunkRecord, undefined> {
    for (const [key, value] of rowsIn(this.#chunks, rowsBetween(ino, from, to))) yield decodeChunk(secondOf(key), value)
  }

  /** Rows of all files in order of file and offset, from a place on. */
  *chunksFrom(ino: number, offset: number): Generator<ChunkRecord & { readonly ino: number }, undefined> {
    for (const [key, value] of rowsIn(this.#chunks, { start: chunkKey(ino, offset) }))
      yield { ino: readBe64(key), ...decodeChunk(secondOf(key), value) }
  }

  hasChunks(ino: number): boolean {
    for (const _ of this.#chunks.range({ ...rowsOf(ino), limit: 1 })) return true
    return false
  }

  /** Staged pages with `from <= index < to`. */
  *pages(ino: number, from: number, to: number): Generator<StagedPage, undefined> {
    const range = { ...rowsBetween(ino, from, to), pageRows: PAGES_AT_ONCE }
    for (const [key, bytes] of rowsIn(this.#pages, range)) yield { index: secondOf(key), bytes }
  }

  /** Indexes of all staged pages, none of which is read. */
  *pageIndexes(ino: number): Generator<number, undefined> {
    for (const key of keysIn(this.#pages, rowsOf(ino))) yield secondOf(key)
  }

  hasPages(ino: number): boolean {
    for (const _ of this.#pages.range({ ...rowsOf(ino), limit: 1 })) return true
    return false
  }

  /** The directories a hard-linked inode has names in. */
  *parentsOfLinked(ino: number): Generator<number, undefined> {
    for (const [key] of rowsIn(this.#links, rowsOf(ino))) yield secondOf(key)
  }

  /** Inodes whose fileId several entries name, in order of the fileId. */
  *linked(): Generator<{ readonly fileId: Uint8Array; readonly ino: number }, undefined> {
    for (const [key, value] of rowsIn(this.#ids)) yield { fileId: key, ino: readBe64(value) }
  }

  /** The inode of a file that several entries name. */
  linkedBy(fileId: Uint8Array): number | undefined {
    const value = this.#ids.get(fileId)
    return value === undefined ? undefined : readBe64(value)
  }

  /** Inodes without a name that live on because they are open. */
  *orphans(): Generator<number, undefined> {
    for (const [key] of rowsIn(this.#state, { start: ORPHAN, end: AFTER_ORPHAN })) yield readBe64(key, ORPHAN.length)
  }
}
