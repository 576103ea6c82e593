/**
 * The index of the blocks, in a separate LMDB environment, and its commits. The order is always: sync the segments,
 * commit the index, then free bytes that the committed index no longer refers to. Blocks of segments whose sync failed
 * are rewritten first.
 */
import type { Digest, Log } from '../../base/index.js'
import { openEnvironment, type Environment } from '../kv/index.js'
import { SegmentInDoubt, SegmentSync, type BlockLocation, type SegmentFiles } from '../segments/index.js'
import { BlockRows } from './block-rows.js'
import type { IndexedBlock } from './contract.js'
import { DeadBytes } from './dead-bytes.js'
import type { OwnSegment } from './own-segment.js'
import { RecentlyUsed } from './recently-used.js'
import { rescueSegments } from './rescue-segments.js'
import { SegmentLedger } from './segment-ledger.js'

const TOUCHES_PER_COMMIT = 512
/** How many times a commit restarts because blocks in doubt were indexed meanwhile. */
const MOST_RESCUES = 3

export interface StoreIndexParts {
  /** The environment's directory. */
  readonly path: string
  readonly segmentDirectory: string
  readonly files: SegmentFiles
  readonly own: OwnSegment
  readonly log: Log
}

export class StoreIndex {
  readonly rows: BlockRows
  readonly ledger: SegmentLedger
  readonly dead: DeadBytes
  readonly recent: RecentlyUsed
  readonly #parts: StoreIndexParts
  readonly #environment: Environment
  readonly #sync: SegmentSync
  #rescuing: Promise<void> | undefined

  constructor(parts: StoreIndexParts) {
    this.#parts = parts
    this.#sync = new SegmentSync(parts.segmentDirectory, parts.files)
    this.#environment = openEnvironment({
      path: parts.path,
      log: parts.log,
      commitHook: {
        freezing: () => this.#freezing(),
        frozen: () => this.#sync.run(),
        committed: () => this.dead.committed(),
      },
    })
    this.ledger = new SegmentLedger(this.#environment.table('segments'))
    this.rows = new BlockRows(this.#environment, this.ledger)
    this.dead = new DeadBytes(this.ledger, parts.files)
    this.recent = new RecentlyUsed(this.rows)
  }

  /** Adds only copies. If a block is already indexed elsewhere, the new bytes are dead. */
  add(blocks: readonly IndexedBlock[]): void {
    for (const { digest, location, dedupId } of blocks) {
      const known = this.rows.get(digest)
      if (known === undefined) {
        this.rows.add(digest, location, dedupId)
        this.#sync.add(location.segment)
        continue
      }
      const row = this.rows.protect(digest, known)
      if (dedupId !== undefined && row.dedupId === undefined) this.rows.name(digest, row, dedupId)
      if (sameLocation(known.location, location)) continue
      this.ledger.announce(location, false)
      this.dead.add(location)
    }
  }

  /** The block's bytes are also at `to` now; those at `from` are dead. */
  move(digest: Digest, from: BlockLocation, to: BlockLocation): void {
    this.rows.move(digest, to)
    this.#sync.add(to.segment)
    this.dead.add(from)
  }

  discard(digests: readonly Digest[]): void {
    for (const digest of digests) {
      const row = this.rows.get(digest)
      if (row === undefined) continue
      this.rows.remove(digest, row)
      this.dead.add(row.location)
    }
  }

  /** Makes everything indexed so far durable, including its bytes. */
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
    await this.dead.giveBack()
  }

  /**
   * Makes all blocks indexed so far in this segment durable. @returns false if a sync of it failed: then the disk may
   * lack bytes that the page cache has
   */
  async settle(segment: number): Promise<boolean> {
    if (this.#sync.isPending(segment)) await this.commit()
    return !this.#sync.hasFailed(segment)
  }

  close(): Promise<void> {
    return this.#environment.close()
  }

  /** After a failed sync: ends appends to the segments in doubt, and moves their blocks to a new segment. */
  async #rescue(): Promise<void> {
    const { own, files, log } = this.#parts
    own.finish()
    const segments = new Set(this.#sync.doubtful)
    // First, so that blocks indexed there meanwhile put the segment in doubt again.
    for (const segment of segments) this.#sync.forget(segment)
    let blocks: number
    try {
      blocks = await rescueSegments(segments, {
        rows: this.rows,
        files,
        append: (bytes, lengths) => own.append(bytes, lengths),
        moved: (digest, from, to) => this.move(digest, from, to),
        lost: (digest) => this.discard([digest]),
      })
    } catch (error) {
      for (const segment of segments) this.#sync.add(segment)
      throw error
    }
    log.warn('blocks whose sync failed were rewritten', { blocks, segments: segments.size })
  }

  #freezing(): void {
    this.recent.apply(TOUCHES_PER_COMMIT)
    this.ledger.write()
    this.rows.write()
    this.#sync.freeze()
    this.dead.freeze()
  }
}

export function sameLocation(a: BlockLocation, b: BlockLocation): boolean {
  return a.segment === b.segment && a.offset === b.offset && a.length === b.length
}
