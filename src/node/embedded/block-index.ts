/**
 * The index of a store: the place of each block, the pins and the name records. A store may be on a portable disk that
 * other people had access to. LMDB trusts its file, and a damaged one could corrupt the memory of the process with the
 * keys, so LMDB is not used here. Blocks are in a sorted file (`blocks.sorted`), and later changes in memory and in
 * `blocks.log`. Pins and names are in roots-file.ts. Every record has a checksum.
 */
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { DriveError, type Digest } from '../../base/index.js'
import type { CidText } from '../contract.js'
import type { BlockRecord } from './block-record.js'
import { RecentRecords, type RecentBlock } from './recent-records.js'
import { RecordLog } from './record-log.js'
import { RootsFile, type RootChanges } from './roots-file.js'
import { syncDirectoryLater } from '../../platform/index.js'
import type { BlockLocation } from '../../storage/segments/index.js'
import { SortedRecords } from './sorted-records.js'
import { writeSorted } from './write-sorted.js'

const PAGE_ROWS = 2000
/**
 * Changes are merged into the sorted file when they reach an eighth of it, within these bounds: about 25 MB of memory.
 */
const LEAST_MERGED = 16_384
const MOST_MERGED = 98_304
/** While merging fails, all changes stay in memory, so more changes than this are refused. */
const MOST_RECENT = 163_840
/** This program never writes a log with changes of more blocks. */
const MOST_REPLAYED = 262_144
/** A log of this length is merged even if it names only a few blocks repeatedly. */
const MOST_LOGGED = 4 * MOST_MERGED
/** Number of searches between two turns of the event loop. */
const FINDS_AT_ONCE = 256

export interface BlockIndexOptions {
  /** Upper bound for the records of the sorted file, because each named block takes space in a segment. */
  readonly mostSorted?: number | undefined
  /** The number of changes that starts a merge; for tests. */
  readonly mergeAt?: number | undefined
  /** The limit of unmerged changes; for tests. */
  readonly mostRecent?: number | undefined
}

export interface IndexChanges extends RootChanges {
  readonly blocks?: Iterable<readonly [Digest, BlockLocation]>
  readonly forgotten?: Iterable<Digest>
}

export class BlockIndex {
  readonly #directory: string
  readonly #roots: RootsFile
  readonly #recent: RecentRecords
  readonly #log: RecordLog
  readonly #mergeAt: number | undefined
  readonly #mostRecent: number
  #sorted: SortedRecords
  #count: number
  /** After a failed merge: the size of `#recent` at which it is retried. */
  #mergeNextAt = 0
  #committing: Promise<unknown> = Promise.resolve()

  private constructor(
    directory: string,
    parts: { roots: RootsFile; recent: RecentRecords; log: RecordLog; sorted: SortedRecords; count: number },
    { mergeAt, mostRecent = MOST_RECENT }: BlockIndexOptions,
  ) {
    this.#directory = directory
    this.#roots = parts.roots
    this.#recent = parts.recent
    this.#log = parts.log
    this.#sorted = parts.sorted
    this.#mergeAt = mergeAt
    this.#mostRecent = mostRecent
    this.#count = parts.count
  }

  /** NODE_ERROR when this program cannot have written the log. */
  static async open(directory: string, options: BlockIndexOptions = {}): Promise<BlockIndex> {
    const roots = await RootsFile.open(directory)
    const recent = new RecentRecords()
    const log = await RecordLog.open(join(directory, 'blocks.log'), (record) => {
      recent.set(record)
      if (recent.size > MOST_REPLAYED) throw damaged()
    })
    try {
      const sorted = await SortedRecords.open(join(directory, 'blocks.sorted'), options.mostSorted ?? Infinity)
      const count = await countOf(sorted, recent)
      return new BlockIndex(directory, { roots, recent, log, sorted, count }, options)
    } catch (error) {
      await log.close()
      throw error
    }
  }

  has(digest: Digest): boolean {
    return this.locate(digest) !== undefined
  }

  locate(digest: Digest): BlockLocation | undefined {
    const recent = this.#recent.get(digest)
    return recent === undefined ? this.#sorted.find(digest) : recent.location
  }

  get blockCount(): number {
    return this.#count
  }

  /**
   * All rows, one page at a time; some pages are empty. Between two pages the caller lets other work proceed. Rows
   * deleted meanwhile are left out.
   */
  *pages(): Generator<RecentBlock[], void, undefined> {
    let after: Digest | undefined
    let sorted = this.#sorted
    for (let at = 0, isLast = false; !isLast;) {
      if (sorted !== this.#sorted) {
        sorted = this.#sorted
        at = after === undefined ? 0 : sorted.indexAfter(after)
      }
      const rows = sorted.read(at, PAGE_ROWS)
      at += PAGE_ROWS
      isLast = at >= sorted.count
      const upTo = isLast ? undefined : rows.at(-1)?.digest
      if (!isLast && upTo === undefined) {
        yield []
        continue
      }
      yield this.#recent.merge(rows, after, upTo)
      after = upTo ?? after
    }
  }

  pinName(cid: CidText): string | undefined {
    return this.#roots.now.pins.get(cid)
  }

  pins(): { cid: CidText; name: string }[] {
    return Array.from(this.#roots.now.pins, ([cid, name]) => ({ cid, name }))
  }

  record(name: CidText): Uint8Array | undefined {
    return this.#roots.now.names.get(name)
  }

  records(): ReadonlyMap<CidText, Uint8Array> {
    return this.#roots.now.names
  }

  /** Roots that were pinned earlier but are not pinned now. */
  get formerRoots(): readonly CidText[] {
    return this.#roots.now.former
  }

  /** Damage destroyed pins or names. So unpinned blocks may be needed, and an unknown name may have had a record. */
  get areRootsIncomplete(): boolean {
    return this.#roots.now.areIncomplete
  }

  /** Atomic for the blocks, and atomic for pins and names. Durable when it resolves. */
  commit(changes: IndexChanges): Promise<void> {
    const done = this.#committing.then(() => this.#commit(changes))
    this.#committing = done.catch(() => undefined) // its caller gets the failure
    return done
  }

  async close(): Promise<void> {
    await this.#committing
    await this.#log.close()
    await this.#sorted.close()
  }

  async #commit({ blocks, forgotten, pinned, unpinned, record }: IndexChanges): Promise<void> {
    const records: BlockRecord[] = [
      ...Array.from(blocks ?? [], ([digest, location]) => ({ digest, location })),
      ...Array.from(forgotten ?? [], (digest) => ({ digest, location: undefined })),
    ]
    if (records.length > 0) {
      await this.#makeRoom(records)
      await this.#log.append(records, this.#recent.all())
      for (const one of records) {
        const was = this.has(one.digest)
        this.#recent.set(one)
        this.#count += (one.location === undefined ? 0 : 1) - (was ? 1 : 0)
      }
    }
    if (pinned !== undefined || unpinned !== undefined || record !== undefined) {
      await this.#roots.change({ pinned, unpinned, record })
    }
    await this.#mergeIfMany()
  }

  /** When merging fails for long, these records are refused with the merge's error, to bound memory. */
  async #makeRoom(records: readonly BlockRecord[]): Promise<void> {
    const added = records.filter(({ digest }) => this.#recent.get(digest) === undefined).length
    if (this.#recent.size > 0 && this.#recent.size + added > this.#mostRecent) await this.#merge()
  }

  /** Best effort. The log is durable; a failure only means that the log and memory grow. */
  async #mergeIfMany(): Promise<void> {
    const limit = this.#mergeAt ?? Math.min(MOST_MERGED, Math.max(LEAST_MERGED, this.#sorted.count / 8))
    if (this.#recent.size < Math.max(limit, this.#mergeNextAt) && this.#log.count < MOST_LOGGED) return
    try {
      await this.#merge()
    } catch {
      // Each attempt rewrites the whole index, so it is not made at every commit.
      this.#mergeNextAt = this.#recent.size + limit / 4
    }
  }

  /** The new sorted file is in place before the log loses its records. Replaying the log over it changes nothing. */
  async #merge(): Promise<void> {
    const path = join(this.#directory, 'blocks.sorted')
    const count = await writeSorted(`${path}.new`, this.pages())
    await rename(`${path}.new`, path)
    await syncDirectoryLater(this.#directory)
    const old = this.#sorted
    this.#sorted = await SortedRecords.open(path, count)
    await old.close()
    await this.#log.replace([])
    this.#recent.clear()
    this.#count = count
    this.#mergeNextAt = 0
  }
}

/** The number of blocks in both together, including damaged records. */
async function countOf(sorted: SortedRecords, recent: RecentRecords): Promise<number> {
  let count = sorted.count
  let searched = 0
  for (const { digest, location } of recent.all()) {
    count += (location === undefined ? 0 : 1) - (sorted.find(digest) === undefined ? 0 : 1)
    if (++searched % FINDS_AT_ONCE === 0) await setImmediate()
  }
  return count
}

function damaged(): DriveError {
  return new DriveError('NODE_ERROR', 'The index of the block store is damaged. Use a new folder for the node.')
}
