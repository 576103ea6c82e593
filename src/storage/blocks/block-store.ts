/**
 * The sealed blocks on this machine: bytes in segment files (segment-writer.ts), places and states in an index
 * (store-index.ts). This file has the operations on blocks, and starts the merging of small segments.
 */
import { join } from 'node:path'
import { toWire, type Digest, type Log } from '../../base/index.js'
import { makeDurableDirectory, type SpaceGuard } from '../../platform/index.js'
import { SegmentFiles, type BlockLocation, type FileCalls, type SharedPlaces } from '../segments/index.js'
import type { BlockStore, IndexedBlock } from './contract.js'
import { evict } from './eviction.js'
import { OwnSegment } from './own-segment.js'
import { mergeSmallSegments } from './segment-merge.js'
import { recountShared } from './sharing/recount-shared.js'
import { recoverSegments } from './segment-recovery.js'
import { shareSegment } from './sharing/share-segment.js'
import { sameLocation, StoreIndex } from './store-index.js'

export interface BlockStoreOptions {
  /** Holds `index/` and `segments/`; created when absent. */
  readonly directory: string
  readonly log: Log
  /**
   * `punchHole`, `readWithoutWaiting` and `allocatePages` of src/crypto; without them only whole segments are freed.
   */
  readonly fileCalls?: FileCalls
  /**
   * Called before `ingest` writes bytes that a node has too. Only copies are written without it and may use the last of
   * the disk.
   */
  readonly guard?: SpaceGuard
  /** Length of the segments that `ingest` writes; default 64 MiB. */
  readonly segmentBytes?: number
}

/** Opens or creates the store, and cleans up after a crash. No segment writer may be active in the directory yet. */
export async function openBlockStore(options: BlockStoreOptions): Promise<BlockStore> {
  const store = new SegmentBlockStore(options)
  await store.recover()
  return store
}

const RELEASED_PER_COMMIT = 20_000

class SegmentBlockStore implements BlockStore {
  readonly segmentDirectory: string
  readonly #options: BlockStoreOptions
  readonly #files: SegmentFiles
  readonly #own: OwnSegment
  readonly #index: StoreIndex
  /** Eviction, merging and recounts, one at a time. */
  #evicting: Promise<unknown> = Promise.resolve()
  #closing = false

  constructor(options: BlockStoreOptions) {
    this.#options = options
    this.segmentDirectory = join(options.directory, 'segments')
    makeDurableDirectory(this.segmentDirectory)
    this.#files = new SegmentFiles(this.segmentDirectory, options.fileCalls)
    this.#own = new OwnSegment(this.segmentDirectory, options.segmentBytes)
    this.#index = new StoreIndex({
      path: join(options.directory, 'index'),
      segmentDirectory: this.segmentDirectory,
      files: this.#files,
      own: this.#own,
      log: options.log,
    })
  }

  /** Cleans up after a crash, then starts to merge small segments. */
  async recover(): Promise<void> {
    const { rows, ledger } = this.#index
    await recoverSegments(this.segmentDirectory, rows, ledger, this.#files, this.#options.log)
    await this.commit()
    this.#evicting = this.#tidy()
  }

  has(digest: Digest): boolean {
    return this.#index.rows.get(digest) !== undefined
  }

  locate(digest: Digest): BlockLocation | undefined {
    return this.#index.rows.get(digest)?.location
  }

  findDuplicate(dedupId: Uint8Array): Digest | undefined {
    return this.#index.rows.findDuplicate(dedupId)
  }

  index(blocks: readonly IndexedBlock[]): void {
    this.#index.add(blocks)
  }

  ingest(
    blocks: readonly { digest: Digest; bytes: Uint8Array; dedupId?: Uint8Array }[],
    { onlyCopy }: { onlyCopy: boolean },
  ): void {
    const fresh = blocks.filter(({ digest }) => !this.has(digest))
    if (fresh.length > 0) {
      const bytes = fresh.length === 1 ? fresh[0]!.bytes : Buffer.concat(fresh.map((block) => block.bytes))
      const lengths = fresh.map((block) => block.bytes.length)
      if (!onlyCopy) this.#options.guard?.check(bytes.length)
      const locations = this.#own.append(bytes, lengths)
      this.index(fresh.map(({ bytes: _, ...block }, i) => ({ ...block, location: locations[i]! })))
    }
    if (onlyCopy) this.reference(blocks.map(({ digest }) => digest))
    else this.markEvictable(fresh.map(({ digest }) => digest))
  }

  reference(digests: readonly Digest[]): Digest[] {
    return digests.filter((digest) => {
      const row = this.#index.rows.get(digest)
      if (row !== undefined) this.#index.rows.protect(digest, row)
      return row === undefined
    })
  }

  touch(digest: Digest): void {
    this.#index.recent.touch(digest)
  }

  markEvictable(digests: readonly Digest[]): void {
    for (const digest of digests) {
      const row = this.#index.rows.get(digest)
      if (row?.tick === 0) this.#index.rows.offer(digest, row)
    }
  }

  async releaseAll(): Promise<void> {
    for (let after: Digest | undefined; ;) {
      const digests = [...this.#index.rows.onlyCopies(RELEASED_PER_COMMIT, after)]
      this.markEvictable(digests)
      await this.commit()
      if (digests.length < RELEASED_PER_COMMIT) return
      after = digests.at(-1)
    }
  }

  restore(digest: Digest, bytes: Uint8Array): void {
    const row = this.#index.rows.get(digest)
    if (row === undefined) return
    const [location] = this.#own.append(bytes, [bytes.length])
    this.#index.move(digest, row.location, location!)
  }

  nextEvicted(after: number, limit: number): { digests: Digest[]; after: number } {
    const digests: Digest[] = []
    let last = after
    for (const { digest, row } of this.#index.rows.evictable(limit, after)) {
      digests.push(Uint8Array.from(digest))
      last = row.tick
    }
    return { digests, after: last }
  }

  discard(digests: readonly Digest[]): void {
    this.#index.discard(digests)
  }

  readNow(digest: Digest, wait: boolean, scratch?: Uint8Array): Uint8Array | undefined {
    const location = this.locate(digest)
    return location && this.#files.readNow(location, wait, scratch)
  }

  readPartNow(digest: Digest, offset: number, into: Uint8Array, wait: boolean): boolean {
    const location = this.locate(digest)
    if (location === undefined || offset + into.length > location.length) return false
    const part = { segment: location.segment, offset: location.offset + offset, length: into.length }
    return this.#files.readNow(part, wait, into) !== undefined
  }

  async read(digest: Digest, scratch?: Uint8Array): Promise<Uint8Array | undefined> {
    const location = this.locate(digest)
    if (location === undefined) return undefined
    const bytes = await this.#files.read(location, scratch)
    // Bytes are freed only after the index dropped them: if it is still indexed there, it is intact.
    const now = this.locate(digest)
    if (now === undefined) return undefined
    return sameLocation(now, location) ? bytes : this.read(digest, scratch)
  }

  scratch(bytes: number): Uint8Array {
    return this.#files.scratch(bytes)
  }

  evictTo(bytes: number): Promise<number> {
    return this.#inTurn(() => evict({ index: this.#index, files: this.#files, own: this.#own }, bytes))
  }

  share(wanted: SharedPlaces): Promise<boolean[]> {
    return shareSegment(wanted, { index: this.#index, files: this.#files })
  }

  async recountShared(limit: number): Promise<void> {
    if (this.#index.ledger.shared.size === 0) return
    const parts = { index: this.#index, files: this.#files, segmentDirectory: this.segmentDirectory }
    return this.#inTurn(() => recountShared(this.#index.ledger.leastRecentlyCounted(limit), parts))
  }

  get usage(): BlockStore['usage'] {
    return this.#index.ledger.usage
  }

  commit(): Promise<void> {
    return this.#index.commit()
  }

  async close(): Promise<void> {
    this.#closing = true
    await this.#evicting.catch(() => {
      // the caller got the failure
    })
    this.#own.finish()
    try {
      await this.commit()
    } finally {
      await this.#index.close().finally(() => this.#files.close())
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#evicting.then(work, work)
    this.#evicting = run
    return run
  }

  /** Merges small segments of earlier runs, in the background. */
  async #tidy(): Promise<void> {
    try {
      const index = this.#index
      const blocks = await mergeSmallSegments({
        rows: index.rows,
        ledger: index.ledger,
        files: this.#files,
        append: (bytes, lengths) => {
          this.#options.guard?.check(bytes.length)
          return this.#own.append(bytes, lengths)
        },
        moved: (digest, from, to) => index.move(digest, from, to),
        commit: () => index.commit(),
        stopped: () => this.#closing,
      })
      if (blocks > 0) this.#options.log.info('small block segments were merged', { blocks })
    } catch (error) {
      this.#options.log.warn('small block segments were not merged', { code: toWire(error).code })
    }
  }
}
