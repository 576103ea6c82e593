/**
 * A read-only, decoded snapshot of the tree at one commit. Sync, history and checks read this instead of raw rows.
 * Lists that grow with the drive are generators that hold one page of rows.
 */
import { readBe48, readBe64, keysIn, rowsIn, type Snapshot, type Table } from '../storage/kv/index.js'
import { tableOptions, TABLES, type ChunkRecord, type DentryRecord, type InodeRecord } from './contract.js'
import { decodeInode } from './inode-record.js'
import { chunkKey, dirtyKey, inodeKey, removedKey, rowsBetween, rowsOf, secondOf } from './keys.js'
import { decodeChunk, decodeDentry, decodeRemoved, type RemovedRecord } from './row-records.js'

const ORPHAN = Buffer.from('orphan/')
const AFTER_ORPHAN = Buffer.from('orphan0')
/** After every key that begins with an inode number. */
const AFTER_ALL = Buffer.alloc(8, 0xff)

/** A batch of 256 pages takes 1 MiB. */
const PAGES_AT_ONCE = 256

type ReadTable = Pick<Table, 'get' | 'range' | 'keys'>

export interface StagedPage {
  readonly index: number
  readonly bytes: Uint8Array
}

/** A change since the last published commit: the inode, and the commit sequence of its last change. */
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
    const table = (name: string): ReadTable => snapshot.table(name, tableOptions(name))
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

  /** The sequence of the last published commit that the drive thread knows; 0 before the first. */
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

  /** The dirty inodes in the tree: those last changed in a commit after `sequence`, in order of their numbers. */
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
   * The rows of `removed` (see TABLES), oldest first.
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
   * Every stored inode, also orphans, in order of inode numbers.
   * @param from the smallest number to yield
   * @param pageRows rows read at once
   */
  *inodes(from = 0, pageRows?: number): Generator<InodeRecord, undefined> {
    const range = { start: inodeKey(from), ...(pageRows !== undefined && { pageRows }) }
    for (const [key, value] of rowsIn(this.#inodes, range)) yield decodeInode(readBe64(key), value)
  }

  /** The numbers of the same inodes. Reads no row, so a damaged one does not matter. */
  *inodeNumbers(from: number): Generator<number, undefined> {
    for (const key of keysIn(this.#inodes, { start: inodeKey(from), end: AFTER_ALL })) yield readBe64(key)
  }

  /** Entries of a loaded directory, in the order of their hashed keys. */
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

  /**
   * Rows that begin at `from <= offset < to`. A row that begins before `from` may overlap the range and is not
   * included.
   */
  *chunksBetween(ino: number, from: number, to: number): Generator<ChunkRecord, undefined> {
    for (const [key, value] of rowsIn(this.#chunks, rowsBetween(ino, from, to))) yield decodeChunk(secondOf(key), value)
  }

  /**
   * Rows of all files in order of inode number and offset, from the given position on.
   * @param pageRows rows read at once: as many as the caller takes
   */
  *chunksFrom(
    ino: number,
    offset: number,
    pageRows: number,
  ): Generator<ChunkRecord & { readonly ino: number }, undefined> {
    for (const [key, value] of rowsIn(this.#chunks, { start: chunkKey(ino, offset), pageRows }))
      yield { ino: readBe64(key), ...decodeChunk(secondOf(key), value) }
  }

  /** Where the same rows begin. Reads no row, so a damaged one does not matter. */
  *chunkPlaces(ino: number, offset: number): Generator<{ readonly ino: number; readonly offset: number }, undefined> {
    for (const key of keysIn(this.#chunks, { start: chunkKey(ino, offset), end: AFTER_ALL }))
      yield { ino: readBe64(key), offset: secondOf(key) }
  }

  /** The row that begins there. */
  chunk(ino: number, offset: number): ChunkRecord | undefined {
    const value = this.#chunks.get(chunkKey(ino, offset))
    return value === undefined ? undefined : decodeChunk(offset, value)
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

  /** The indexes of all staged pages. Does not read the pages. */
  *pageIndexes(ino: number): Generator<number, undefined> {
    for (const key of keysIn(this.#pages, rowsOf(ino))) yield secondOf(key)
  }

  hasPages(ino: number): boolean {
    for (const _ of this.#pages.range({ ...rowsOf(ino), limit: 1 })) return true
    return false
  }

  /** The directories that contain a name of a hard-linked inode. */
  *parentsOfLinked(ino: number): Generator<number, undefined> {
    for (const [key] of rowsIn(this.#links, rowsOf(ino))) yield secondOf(key)
  }

  /** Hard-linked inodes, in order of the fileId. */
  *linked(): Generator<{ readonly fileId: Uint8Array; readonly ino: number }, undefined> {
    for (const [key, value] of rowsIn(this.#ids)) yield { fileId: key, ino: readBe64(value) }
  }

  /** The inode number of a hard-linked file. */
  linkedBy(fileId: Uint8Array): number | undefined {
    const value = this.#ids.get(fileId)
    return value === undefined ? undefined : readBe64(value)
  }

  /** Orphans: inodes without a name that are still open. */
  *orphans(): Generator<number, undefined> {
    for (const [key] of rowsIn(this.#state, { start: ORPHAN, end: AFTER_ORPHAN })) yield readBe64(key, ORPHAN.length)
  }
}
