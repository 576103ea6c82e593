/** Background work: stages data that was held for long, commits changes, frees memory, and limits the cache. */
import { DriveError, isDriveError } from '../../base/index.js'
import { stage, type StageParts } from '../staging/stage.js'
import { unstagedTail } from '../content/file-content.js'
import type { Clock } from '../../base/index.js'
import type { ChunkReader } from '../chunks/chunk-reader.js'
import type { Directories } from '../namespace/directories.js'
import type { Inode } from '../inodes/inode.js'
import type { Committer } from '../staging/committer.js'
import type { Failures } from '../staging/failures.js'
import type { Removals } from './removals.js'
import type { Room } from '../staging/space.js'
import type { TreeBlocks } from '../staging/tree-blocks.js'

/** The parts that background work uses. */
export interface BackgroundParts extends StageParts {
  readonly clock: Clock
  readonly committer: Committer
  readonly blocks: TreeBlocks
  readonly room: Room
  readonly failures: Failures
  readonly reader: ChunkReader
  readonly directories: Pick<Directories, 'rest'>
  readonly removals: Pick<Removals, 'goOn'>
}

const TICK_MS = 1000
/** The next tick stages data that was held longer than this. */
const HELD_AT_MOST_MS = 1000
/** Ticks after which unused memory is freed. */
const REST_TICKS = 10
/** Segments shared with the node's store that are looked at then: whether the store has given them up. */
const RECOUNTED = 64

export class Background {
  readonly #parts: BackgroundParts
  readonly #cacheBytes: () => number
  #timer: NodeJS.Timeout | undefined
  #ticking: Promise<void> = Promise.resolve()
  #relieving = false
  #ticks = 0
  #closed = false

  /** @param cacheBytes the limit of the block cache, as far as blocks can be evicted */
  constructor(parts: BackgroundParts, cacheBytes: () => number) {
    this.#parts = parts
    this.#cacheBytes = cacheBytes
    parts.held.onPressure(() => void this.#relieve())
    this.#schedule()
  }

  /** After it resolves, nothing starts. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#ticking
  }

  #schedule(): void {
    if (this.#closed) return
    this.#timer = setTimeout(() => {
      this.#ticking = this.#tick().finally(() => this.#schedule())
    }, TICK_MS)
    this.#timer.unref()
  }

  async #tick(): Promise<void> {
    const parts = this.#parts
    const before = parts.clock.monotonicMs() - HELD_AT_MOST_MS
    const old = [...parts.held.files].filter(([, since]) => since <= before).map(([inode]) => inode)
    try {
      await Promise.all(old.map((inode) => stage(parts, inode)))
    } catch (error) {
      parts.failures.note('files could not be staged', error)
    }
    try {
      await parts.committer.commit()
    } catch {
      // The committer has noted the failure; the next tick tries again.
    }
    try {
      if (this.#ticks % REST_TICKS === 0) await parts.blocks.store.recountShared(RECOUNTED)
      await this.evict()
    } catch (error) {
      parts.failures.note('blocks could not be evicted', error)
    }
    parts.removals.goOn()
    parts.inodes.cache.trim()
    if (++this.#ticks % REST_TICKS === 0) {
      parts.reader.rest()
      if (parts.held.files.size === 0) parts.held.rest()
      if (parts.inodes.cache.isAtRest) parts.directories.rest()
      parts.inodes.cache.rest()
    }
  }

  /** Evicts blocks to keep the cache within its limit, and below it when the disk is nearly full. */
  async evict(): Promise<void> {
    const { blocks, room } = this.#parts
    if (room.missingBytes > 0) await blocks.store.recountShared(Infinity)
    const { usedBytes, evictableBytes } = blocks.store.usage
    const limit = Math.max(0, Math.min(this.#cacheBytes(), usedBytes - room.missingBytes))
    if (usedBytes > limit && evictableBytes > 0) await blocks.store.evictTo(limit)
  }

  /** Memory or slots ran out: stages the longest held files, up to half of the limit. */
  async #relieve(): Promise<void> {
    if (this.#relieving) return
    this.#relieving = true
    const parts = this.#parts
    try {
      this.#freeSlots()
      let bytes = parts.held.bytes - parts.held.limitBytes / 2
      const work: Promise<void>[] = []
      for (const inode of parts.held.files.keys()) {
        if (bytes <= 0 && work.length > 0) break
        bytes -= inode.content?.accounted ?? 0
        work.push(stage(parts, inode))
      }
      parts.sealing.flushBatch()
      await Promise.all(work)
    } catch (error) {
      const failure = isDriveError(error) ? error : new DriveError('INTERNAL', 'Staging failed.', { cause: error })
      parts.held.fail(failure)
    } finally {
      this.#relieving = false
      // A caller that came meanwhile found this running, so it waits for another round.
      if (parts.held.isWaitedFor) setImmediate(() => this.#relieveAgain())
    }
  }

  #relieveAgain(): void {
    const { held } = this.#parts
    if (!held.isWaitedFor) return
    if (held.files.size > 0 || this.#slotOwner() !== undefined) void this.#relieve()
    else if (held.hasSlot) held.wake()
    // Otherwise every buffer is in the pipeline; when it returns, it wakes the waiting callers.
  }

  /** Submits a tail that fills a shared buffer, so that its buffer comes back. */
  #freeSlots(): void {
    const { held, sealing } = this.#parts
    const inode = this.#slotOwner()
    const content = inode?.content
    if (inode === undefined || content === undefined) return
    if (unstagedTail(content.tail) === 0) held.dropTail(content)
    else sealing.sealTail(inode)
  }

  /** A file whose tail fills a shared buffer. */
  #slotOwner(): Inode | undefined {
    const { held, inodes } = this.#parts
    for (const { owner } of held.slots) {
      const inode = owner === undefined ? undefined : inodes.cache.peek(owner)
      if (inode?.content?.tail !== undefined) return inode
    }
    return undefined
  }
}
