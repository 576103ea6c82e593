/** What happens by itself: data held for long is staged, changes are committed, memory is given back, the cache is kept small. */
import { DriveError, isDriveError } from '../../base/index.js'
import { stage } from './stage.js'
import { unstagedTail } from '../content/file-content.js'
import { dropTail } from './tail.js'
import type { Volume } from '../volume.js'

const TICK_MS = 1000
/** Held data older than this is staged by the next tick. */
const HELD_AT_MOST_MS = 1000
/** Ticks after which unused memory is given back. */
const REST_TICKS = 10

export class Background {
  readonly #volume: Volume
  readonly #cacheBytes: () => number
  #timer: NodeJS.Timeout | undefined
  #ticking: Promise<void> = Promise.resolve()
  #relieving = false
  #ticks = 0
  #closed = false

  /** @param cacheBytes the most the block cache may use, as far as blocks can be evicted */
  constructor(volume: Volume, cacheBytes: () => number) {
    this.#volume = volume
    this.#cacheBytes = cacheBytes
    volume.held.relieve = () => {
      void this.#relieve()
    }
    this.#schedule()
  }

  /** Nothing starts after it resolves. */
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
    const volume = this.#volume
    const before = volume.clock.monotonicMs() - HELD_AT_MOST_MS
    const old = [...volume.held.files].filter(([, since]) => since <= before).map(([inode]) => inode)
    try {
      await Promise.all(old.map((inode) => stage(volume, inode)))
    } catch (error) {
      volume.failed('files could not be staged', error)
    }
    try {
      await volume.committer.commit()
    } catch {
      // The committer has noted it; the next tick tries again.
    }
    try {
      await this.evict()
    } catch (error) {
      volume.failed('blocks could not be evicted', error)
    }
    volume.inodes.trim()
    if (++this.#ticks % REST_TICKS === 0) {
      volume.reader.rest()
      if (volume.held.files.size === 0) volume.held.rest()
    }
  }

  /** Keeps the cache at its size, and smaller where the disk is nearly full, as far as blocks may be evicted. */
  async evict(): Promise<void> {
    const { blocks, room } = this.#volume
    const { usedBytes, evictableBytes } = blocks.usage
    const limit = Math.max(0, Math.min(this.#cacheBytes(), usedBytes - room.missingBytes))
    if (usedBytes > limit && evictableBytes > 0) await blocks.evictTo(limit)
  }

  /** Memory or slots ran out: the longest holding files are staged, half of what is allowed. */
  async #relieve(): Promise<void> {
    if (this.#relieving) return
    this.#relieving = true
    const volume = this.#volume
    try {
      this.#freeSlots()
      let bytes = volume.held.bytes - volume.held.limitBytes / 2
      const work: Promise<void>[] = []
      for (const inode of volume.held.files.keys()) {
        if (bytes <= 0 && work.length > 0) break
        bytes -= inode.content?.accounted ?? 0
        work.push(stage(volume, inode))
      }
      volume.sealing.flushBatch()
      await Promise.all(work)
    } catch (error) {
      const failure = isDriveError(error) ? error : new DriveError('INTERNAL', 'Staging failed.', { cause: error })
      volume.held.fail(failure)
    } finally {
      this.#relieving = false
      // Who came meanwhile found this running and waits for another round.
      if (volume.held.isWaitedFor) setImmediate(() => this.#relieveAgain())
    }
  }

  #relieveAgain(): void {
    const { held } = this.#volume
    if (held.files.size === 0) held.wake()
    else if (held.isWaitedFor) void this.#relieve()
  }

  /** Tails that fill shared buffers go on their way, so that their buffers come back. */
  #freeSlots(): void {
    const volume = this.#volume
    for (const { owner } of volume.held.slots) {
      const content = owner?.content
      if (owner === undefined || content?.tail === undefined) continue
      if (unstagedTail(content.tail) === 0) dropTail(volume, content)
      else volume.sealing.sealTail(owner)
      return
    }
  }
}
