/**
 * The sealed blocks on this machine: bytes in segment files (segment-writer.ts), and an index in an LMDB environment of
 * its own. The order is always: sync the segments, commit the index, then free bytes that the committed index no longer
 * refers to.
 */
import { join } from 'node:path'
import { toWire, type Digest, type Log } from '../../base/index.js'
import { BlockRows } from './block-rows.js'
import type { BlockLocation, SegmentWriter } from '../segments/index.js'
import type { BlockStore, IndexedBlock } from './contract.js'
import type { Environment } from '../kv/index.js'
import { DeadBytes } from './dead-bytes.js'
import { makeDurableDirectory } from '../../platform/index.js'
import { openEnvironment } from '../kv/index.js'
import { oldestBlocks, oldestSegments } from './eviction.js'
import type { SpaceGuard } from '../../platform/index.js'
import { RecentlyUsed } from './recently-used.js'
import { SegmentFiles, type FileCalls, openSegmentWriter, SegmentInDoubt, SegmentSync } from '../segments/index.js'
import { SegmentLedger } from './segment-ledger.js'
import { mergeSmallSegments } from './segment-merge.js'
import { rescueSegments } from './rescue-segments.js'
import { recoverSegments } from './segment-recovery.js'

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

const TOUCHES_PER_COMMIT = 512
/** How many times a commit restarts because blocks in doubt were indexed meanwhile. */
const MOST_RESCUES = 3
const RELEASED_PER_COMMIT = 20_000

class SegmentBlockStore implements BlockStore {
  readonly segmentDirectory: string
  readonly #options: BlockStoreOptions
  readonly #environment: Environment
  readonly #ledger: SegmentLedger
  readonly #rows: BlockRows
  readonly #files: SegmentFiles
  readonly #sync: SegmentSync
  readonly #dead: DeadBytes
  readonly #recent: RecentlyUsed
  #writer: SegmentWriter | undefined
  /** Eviction and merging, one at a time. */
  #evicting: Promise<unknown> = Promise.resolve()
  #closing = false
  #rescuing: Promise<void> | undefined

  constructor(options: BlockStoreOptions) {
    this.#options = options
    this.segmentDirectory = join(options.directory, 'segments')
    makeDurableDirectory(this.segmentDirectory)
    this.#files = new SegmentFiles(this.segmentDirectory, options.fileCalls)
    this.#sync = new SegmentSync(this.segmentDirectory, this.#files)
    this.#environment = openEnvironment({
      path: join(options.directory, 'index'),
      log: options.log,
      commitHook: {
        freezing: () => this.#freezing(),
        frozen: () => this.#sync.run(),
        committed: () => this.#dead.committed(),
      },
    })
    this.#ledger = new SegmentLedger(this.#environment.table('segments'))
    this.#rows = new BlockRows(this.#environment, this.#ledger)
    this.#dead = new DeadBytes(this.#ledger, this.#files)
    this.#recent = new RecentlyUsed(this.#rows)
  }

  /** Cleans up after a crash, then starts to merge small segments. */
  async recover(): Promise<void> {
    await recoverSegments(this.segmentDirectory, this.#rows, this.#ledger, this.#files, this.#options.log)
    await this.commit()
    this.#evicting = this.#tidy()
  }

  has(digest: Digest): boolean {
    return this.#rows.get(digest) !== undefined
  }

  locate(digest: Digest): BlockLocation | undefined {
    return this.#rows.get(digest)?.location
  }

  findDuplicate(dedupId: Uint8Array): Digest | undefined {
    return this.#rows.findDuplicate(dedupId)
  }

  index(blocks: readonly IndexedBlock[]): void {
    for (const { digest, location, dedupId } of blocks) {
      const known = this.#rows.get(digest)
      if (known === undefined) {
        this.#rows.add(digest, location, dedupId)
        this.#sync.add(location.segment)
        continue
      }
      const row = this.#rows.protect(digest, known)
      if (dedupId !== undefined && row.dedupId === undefined) this.#rows.name(digest, row, dedupId)
      if (sameLocation(known.location, location)) continue
      this.#ledger.announce(location, false)
      this.#dead.add(location)
    }
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
      const locations = this.#append(bytes, lengths)
      this.index(fresh.map(({ bytes: _, ...block }, i) => ({ ...block, location: locations[i]! })))
    }
    if (onlyCopy) this.reference(blocks.map(({ digest }) => digest))
    else this.markEvictable(fresh.map(({ digest }) => digest))
  }

  reference(digests: readonly Digest[]): Digest[] {
    return digests.filter((digest) => {
      const row = this.#rows.get(digest)
      if (row !== undefined) this.#rows.protect(digest, row)
      return row === undefined
    })
  }

  touch(digest: Digest): void {
    this.#recent.touch(digest)
  }

  markEvictable(digests: readonly Digest[]): void {
    for (const digest of digests) {
      const row = this.#rows.get(digest)
      if (row?.tick === 0) this.#rows.offer(digest, row)
    }
  }

  async releaseAll(): Promise<void> {
    for (let after: Digest | undefined; ;) {
      const digests = [...this.#rows.onlyCopies(RELEASED_PER_COMMIT, after)]
      this.markEvictable(digests)
      await this.commit()
      if (digests.length < RELEASED_PER_COMMIT) return
      after = digests.at(-1)
    }
  }

  restore(digest: Digest, bytes: Uint8Array): void {
    const row = this.#rows.get(digest)
    if (row === undefined) return
    const [location] = this.#append(bytes, [bytes.length])
    this.#move(digest, row.location, location!)
  }

  nextEvicted(after: number, limit: number): { digests: Digest[]; after: number } {
    const digests: Digest[] = []
    let last = after
    for (const { digest, row } of this.#rows.evictable(limit, after)) {
      digests.push(Uint8Array.from(digest))
      last = row.tick
    }
    return { digests, after: last }
  }

  discard(digests: readonly Digest[]): void {
    for (const digest of digests) {
      const row = this.#rows.get(digest)
      if (row === undefined) continue
      this.#rows.remove(digest, row)
      this.#dead.add(row.location)
    }
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
    const run = this.#evicting.then(
      () => this.#evict(bytes),
      () => this.#evict(bytes),
    )
    this.#evicting = run
    return run
  }

  get usage(): { usedBytes: number; evictableBytes: number; blocks: number } {
    return this.#ledger.usage
  }

  async commit(): Promise<void> {
    for (let tries = 1; ; tries++) {
      while (this.#rescuing !== undefined || this.#sync.doubtful.size > 0) {
        await (this.#rescuing ??= this.#rescue().finally(() => (this.#rescuing = undefined)))
      }
      try {
        await this.#environment.commit()
        break
      } catch (error) {
        const isInDoubt = error instanceof Error && error.cause instanceof SegmentInDoubt
        if (!isInDoubt || tries === MOST_RESCUES) throw error
      }
    }
    await this.#dead.giveBack()
  }

  async close(): Promise<void> {
    this.#closing = true
    await this.#evicting.catch(() => {
      // the caller got the failure
    })
    this.#finishSegment()
    try {
      await this.commit()
    } finally {
      await this.#environment.close().finally(() => this.#files.close())
    }
  }

  async #evict(bytes: number): Promise<number> {
    const before = this.#ledger.usage.usedBytes
    this.#recent.apply(Infinity)
    if (!this.#files.canPunch) this.#finishSegment()
    for (;;) {
      const excess = this.#ledger.usage.usedBytes - bytes
      if (excess <= 0) break
      const victims = this.#files.canPunch
        ? oldestBlocks(this.#rows, excess)
        : oldestSegments(this.#rows, this.#ledger, this.#dead, excess)
      if (victims.length === 0) break
      this.discard(victims)
      await this.commit()
    }
    return Math.max(0, before - this.#ledger.usage.usedBytes)
  }

  #append(bytes: Uint8Array, lengths: readonly number[]): BlockLocation[] {
    const { segmentBytes } = this.#options
    this.#writer ??= openSegmentWriter(this.segmentDirectory, { ...(segmentBytes && { segmentBytes }) })
    return this.#writer.append(bytes, lengths)
  }

  /** After a failed sync: ends appends to the segments in doubt, and moves their blocks to a new segment. */
  async #rescue(): Promise<void> {
    this.#finishSegment()
    const segments = new Set(this.#sync.doubtful)
    // First, so that blocks indexed there meanwhile put the segment in doubt again.
    for (const segment of segments) this.#sync.forget(segment)
    let blocks: number
    try {
      blocks = await rescueSegments(segments, {
        rows: this.#rows,
        files: this.#files,
        append: (bytes, lengths) => this.#append(bytes, lengths),
        moved: (digest, from, to) => this.#move(digest, from, to),
        lost: (digest) => this.discard([digest]),
      })
    } catch (error) {
      for (const segment of segments) this.#sync.add(segment)
      throw error
    }
    this.#options.log.warn('blocks whose sync failed were rewritten', { blocks, segments: segments.size })
  }

  #move(digest: Digest, from: BlockLocation, to: BlockLocation): void {
    this.#rows.move(digest, to)
    this.#sync.add(to.segment)
    this.#dead.add(from)
  }

  /** Merges small segments of earlier runs, in the background. */
  async #tidy(): Promise<void> {
    try {
      const blocks = await mergeSmallSegments({
        rows: this.#rows,
        ledger: this.#ledger,
        files: this.#files,
        append: (bytes, lengths) => {
          this.#options.guard?.check(bytes.length)
          return this.#append(bytes, lengths)
        },
        moved: (digest, from, to) => this.#move(digest, from, to),
        commit: () => this.commit(),
        stopped: () => this.#closing,
      })
      if (blocks > 0) this.#options.log.info('small block segments were merged', { blocks })
    } catch (error) {
      this.#options.log.warn('small block segments were not merged', { code: toWire(error).code })
    }
  }

  #finishSegment(): void {
    this.#writer?.close()
    this.#writer = undefined
  }

  #freezing(): void {
    this.#recent.apply(TOUCHES_PER_COMMIT)
    this.#ledger.write()
    this.#rows.write()
    this.#sync.freeze()
    this.#dead.freeze()
  }
}

function sameLocation(a: BlockLocation, b: BlockLocation): boolean {
  return a.segment === b.segment && a.offset === b.offset && a.length === b.length
}
