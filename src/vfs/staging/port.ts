/** What sync asks of the drive thread; see DrivePort. */
import type { Digest } from '../../base/index.js'
import type { BlockStore } from '../../storage/blocks/index.js'
import type { DriveCounts, DrivePort, PublishedCommit } from '../../tree-state/index.js'
import type { Background } from './background.js'
import { stageAll } from './committer.js'
import { discardNeverPublished, discardSettled, discardUnused } from './discard.js'
import { applyPublished } from './published.js'
import type { Volume } from '../volume.js'

/** Blocks read at once for one request. */
const READ_TOGETHER = 16

export class VolumePort implements DrivePort {
  readonly #volume: Volume
  readonly #background: Background

  constructor(volume: Volume, background: Background) {
    this.#volume = volume
    this.#background = background
  }

  async freeze(): Promise<{ sequence: number }> {
    return { sequence: await this.#volume.committer.freeze() }
  }

  async resume(): Promise<void> {
    this.#volume.committer.resume()
  }

  async published(commit: PublishedCommit): Promise<void> {
    const volume = this.#volume
    const { blocks, committer } = volume
    if (commit.sequence > volume.published) await committer.between(() => applyPublished(volume, commit))
    blocks.markEvictable(commit.confirmed)
    // A large commit comes in several messages; what an older one discarded may be in use again by now.
    if (commit.sequence === volume.published) await discardSettled(volume, commit)
    volume.blocksChanged = true
    await committer.commit()
    await this.#background.evict()
  }

  async adopt(blocks: Parameters<DrivePort['adopt']>[0]): Promise<void> {
    const store: BlockStore = this.#volume.blocks
    store.ingest(blocks, { onlyCopy: true })
    await store.commit()
  }

  async giveBack({ unused, published }: Parameters<DrivePort['giveBack']>[0]): Promise<void> {
    const volume = this.#volume
    volume.blocks.markEvictable(published)
    await discardUnused(volume, unused)
    volume.blocksChanged = true
    await volume.committer.commit()
  }

  async readBlocks(digests: readonly Digest[]): Promise<(Uint8Array | undefined)[]> {
    const found: (Uint8Array | undefined)[] = []
    for (let at = 0; at < digests.length; at += READ_TOGETHER) {
      const some = digests.slice(at, at + READ_TOGETHER)
      found.push(...(await Promise.all(some.map((digest) => this.#volume.blocks.read(digest)))))
    }
    return found
  }

  async flush(): Promise<void> {
    await stageAll(this.#volume)
    await this.#volume.committer.commit()
  }

  async discardUnpublished(): Promise<void> {
    const volume = this.#volume
    await discardNeverPublished(volume)
    volume.blocksChanged = true
    await volume.committer.commit()
  }

  async counts(): Promise<DriveCounts> {
    const { counters, held, inodes, blocks, room, lastError, lastChangeMs } = this.#volume
    const dirtyInodes = inodes.countDirty()
    const { usedBytes, evictableBytes } = blocks.usage
    return {
      held: { files: held.files.size, bytes: held.bytes },
      staged: { files: counters.dirtyFiles, bytes: counters.unpublishedBytes },
      total: { files: counters.totalFiles, bytes: Math.max(0, counters.totalBytes) },
      cacheUsedBytes: usedBytes,
      cacheEvictableBytes: evictableBytes,
      lastError,
      lastChangeMs: dirtyInodes > 0 || held.files.size > 0 ? lastChangeMs : 0,
      dirtyInodes,
      isShortOfSpace: room.isShort,
    }
  }

  async evictTo(bytes: number): Promise<number> {
    return this.#volume.blocks.evictTo(bytes)
  }
}
