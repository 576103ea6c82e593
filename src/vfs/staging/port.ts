/** The drive thread's answers to sync; see DrivePort. */
import type { Digest } from '../../base/index.js'
import type { BlockPlace, DriveCounts, DrivePort, PublishedCommit, SharedBlocks } from '../../tree-state/index.js'
import type { Background } from '../background/background.js'
import { stageAll } from './stage-all.js'
import { discardNeverPublished, discardSettled, discardUnused, type DiscardParts } from '../background/discard.js'
import type { Failures } from './failures.js'
import { writePublished } from '../inodes/state-rows.js'
import { applyPublished, clearPublished, type PublishedParts } from './published.js'
import { replaceBlock } from '../chunks/replace-block.js'
import type { Room } from './space.js'
import type { StageParts } from './stage.js'

/** The parts that answering sync uses. */
export interface PortParts extends DiscardParts, PublishedParts, StageParts {
  readonly state: PublishedParts['state']
  readonly inodes: PublishedParts['inodes']
  readonly held: PublishedParts['held']
  readonly blocks: PublishedParts['blocks']
  readonly named: PublishedParts['named']
  readonly room: Room
  readonly failures: Failures
}

/** Blocks read in parallel for one request. */
const READ_TOGETHER = 16

export class TreePort implements DrivePort {
  readonly #parts: PortParts
  readonly #background: Background

  constructor(parts: PortParts, background: Background) {
    this.#parts = parts
    this.#background = background
  }

  async freeze(): Promise<{ sequence: number }> {
    return { sequence: await this.#parts.committer.freeze() }
  }

  async resume(): Promise<void> {
    this.#parts.committer.resume()
  }

  async published(commit: PublishedCommit): Promise<void> {
    const parts = this.#parts
    const { blocks, committer } = parts
    if (commit.sequence > parts.state.published) {
      await committer.between(() => applyPublished(parts, commit))
      if (commit.part?.isLast !== false) {
        await clearPublished(parts, commit)
        await committer.between(() => writePublished(parts.state, commit.sequence))
      }
    }
    blocks.store.markEvictable(commit.confirmed)
    // A large commit comes in several messages. Blocks discarded by an older commit may be in use again by now.
    if (commit.sequence === parts.state.published) await discardSettled(parts, commit)
    parts.blocks.hasChanges = true
    await committer.commit()
    await this.#background.evict()
  }

  async adopt(blocks: Parameters<DrivePort['adopt']>[0]): Promise<void> {
    const { store } = this.#parts.blocks
    store.ingest(blocks, { onlyCopy: true })
    await store.commit()
  }

  async giveBack({ unused, published }: Parameters<DrivePort['giveBack']>[0]): Promise<void> {
    const parts = this.#parts
    parts.blocks.store.markEvictable(published)
    await discardUnused(parts, unused)
    parts.blocks.hasChanges = true
    await parts.committer.commit()
  }

  async keepBlocks(digests: readonly Digest[]): Promise<void> {
    const { blocks } = this.#parts
    blocks.store.reference(digests)
    await blocks.store.commit()
  }

  async restoreBlocks(given: Parameters<DrivePort['restoreBlocks']>[0]): Promise<void> {
    const { store } = this.#parts.blocks
    for (const { digest, bytes } of given) store.restore(digest, bytes)
    await store.commit()
  }

  async replaceBlocks(rows: Parameters<DrivePort['replaceBlocks']>[0]): Promise<boolean[]> {
    const parts = this.#parts
    const done: boolean[] = []
    await parts.committer.between(() => {
      for (const row of rows) done.push(replaceBlock(parts, row))
    })
    await parts.committer.commit()
    return done
  }

  async markChanged(inos: readonly number[]): Promise<void> {
    const { inodes, committer } = this.#parts
    for (const ino of inos) {
      const inode = inodes.find(ino)
      if (inode !== undefined && inode.nlink > 0) inodes.markChanged(inode)
    }
    await committer.commit()
  }

  async nextEvicted(after: number, limit: number): Promise<{ digests: Digest[]; after: number }> {
    return this.#parts.blocks.store.nextEvicted(after, limit)
  }

  async readBlocks(digests: readonly Digest[]): Promise<(Uint8Array | undefined)[]> {
    const found: (Uint8Array | undefined)[] = []
    for (let at = 0; at < digests.length; at += READ_TOGETHER) {
      const some = digests.slice(at, at + READ_TOGETHER)
      found.push(...(await Promise.all(some.map((digest) => this.#parts.blocks.store.read(digest)))))
    }
    return found
  }

  async placesOf(digests: readonly Digest[]): Promise<(BlockPlace | undefined)[]> {
    return digests.map((digest) => this.#parts.blocks.store.locate(digest))
  }

  shareSegment(wanted: SharedBlocks): Promise<boolean[]> {
    return this.#parts.blocks.store.share(wanted)
  }

  async flush(): Promise<void> {
    await stageAll(this.#parts)
    await this.#parts.committer.commit()
  }

  async discardUnpublished(): Promise<void> {
    const parts = this.#parts
    await discardNeverPublished(parts)
    parts.blocks.hasChanges = true
    await parts.committer.commit()
  }

  async counts(): Promise<DriveCounts> {
    const { state, held, inodes, blocks, room, failures } = this.#parts
    const { counters, lastChangeMs } = state
    const dirtyInodes = inodes.unpublished.count(inodes.changed)
    const { usedBytes, evictableBytes } = blocks.store.usage
    const isShortOfSpace = room.isShort
    state.signal.answered({ dirtyInodes, isShortOfSpace })
    return {
      ...inodes.unpublished.levels(inodes.changed, held.files.keys()),
      total: { files: counters.totalFiles, bytes: Math.max(0, counters.totalBytes) },
      isPartial: counters.unloadedDirectories > 0,
      cacheUsedBytes: usedBytes,
      cacheEvictableBytes: evictableBytes,
      lastError: failures.last,
      lastChangeMs: dirtyInodes > 0 || held.files.size > 0 ? lastChangeMs : 0,
      dirtyInodes,
      isShortOfSpace,
    }
  }

  async evictTo(bytes: number): Promise<number> {
    return this.#parts.blocks.store.evictTo(bytes)
  }
}
