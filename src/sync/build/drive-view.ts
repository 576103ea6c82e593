/** The drive's metadata at one frozen instant, decoded. */
import { decodeChunk, decodeDentry, decodeInode, decodeRemoved, dirtyKey, inodeKey, rowsBetween, rowsOf, secondOf, TABLES, type ChunkRecord, type DentryRecord, type InodeRecord, type RemovedRecord } from '../../tree-state/index.js'
import { readBe48, readBe64, type Snapshot, type Table } from '../../storage/kv/index.js'
import { pagesOf } from '../state/queue-tables.js'
import type { StagedPage } from './merge-pages.js'

const ORPHAN = Buffer.from('orphan/')
const AFTER_ORPHAN = Buffer.from('orphan0')

type ReadTable = Pick<Table, 'get' | 'range'>

export class DriveView {
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

  *dirtyInos(): Generator<number> {
    for (const rows of pagesOf(this.#dirty)) for (const [key] of rows) yield readBe64(key)
  }

  *entries(directory: number): Generator<DentryRecord> {
    for (const rows of pagesOf(this.#dentries, rowsOf(directory)))
      for (const [, value] of rows) yield decodeDentry(value)
  }

  /** In order of their offsets. */
  chunks(ino: number): ChunkRecord[] {
    return Array.from(this.#chunks.range(rowsOf(ino)), ([key, value]) => decodeChunk(secondOf(key), value))
  }

  /** Staged pages with `from <= index < to`. */
  *pages(ino: number, from: number, to: number): Generator<StagedPage> {
    for (const [key, bytes] of this.#pages.range(rowsBetween(ino, from, to))) yield { index: secondOf(key), bytes }
  }

  hasPages(ino: number): boolean {
    for (const _ of this.#pages.range({ ...rowsOf(ino), limit: 1 })) return true
    return false
  }

  /** The directories a hard-linked inode has names in. */
  parentsOfLinked(ino: number): number[] {
    return Array.from(this.#links.range(rowsOf(ino)), ([key]) => secondOf(key))
  }

  /** Inodes whose fileId several entries name, in order of the fileId. */
  *linked(): Generator<{ readonly fileId: Uint8Array; readonly ino: number }> {
    for (const rows of pagesOf(this.#ids)) for (const [key, value] of rows) yield { fileId: key, ino: readBe64(value) }
  }

  /** Inodes without a name that live on because they are open. */
  *orphans(): Generator<number> {
    for (const [key] of this.#state.range({ start: ORPHAN, end: AFTER_ORPHAN })) yield readBe64(key, ORPHAN.length)
  }

  *removed(): Generator<RemovedRecord> {
    for (const rows of pagesOf(this.#removed)) for (const [, value] of rows) yield decodeRemoved(value)
  }
}
