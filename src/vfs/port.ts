/** What sync asks of the drive thread; see DrivePort. */
import { hex, type Digest } from '../base/index.js'
import {
  decodeChunk,
  secondOf,
  type BlockStore,
  type DriveCounts,
  type DrivePort,
  type PublishedCommit,
} from '../store/index.js'
import type { Background } from './background.js'
import { neverPublished } from './never-published.js'
import { stageAll } from './committer.js'
import { applyPublished } from './published.js'
import type { Volume } from './volume.js'

/** Blocks read at once for one request. */
const READ_TOGETHER = 16
const ROWS_PER_TURN = 2000

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
    if (commit.sequence === volume.published) blocks.discard(await withoutNamedAgain(volume, commit))
    volume.blocksChanged = true
    await committer.commit()
    await this.#background.evict()
  }

  async adopt(blocks: Parameters<DrivePort['adopt']>[0]): Promise<void> {
    const store: BlockStore = this.#volume.blocks
    store.ingest(blocks, { onlyCopy: true })
    await store.commit()
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
    const { blocks, committer } = this.#volume
    const garbage = await neverPublished(this.#volume)
    if (garbage.length === 0) return
    blocks.discard(garbage)
    this.#volume.blocksChanged = true
    await committer.commit()
  }

  async counts(): Promise<DriveCounts> {
    const { counters, held, inodes, blocks, room, lastError, lastChangeMs } = this.#volume
    let dirtyInodes = counters.dirtyInodes
    for (const inode of inodes.changed) if (inode.needsDirtyRow && inode.dirtySequence <= 0) dirtyInodes++
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

/** Those of `discarded` that no row written after the published sequence names again. */
async function withoutNamedAgain(volume: Volume, { discarded, sequence }: PublishedCommit): Promise<Digest[]> {
  if (discarded.length === 0) return []
  const { named } = volume
  if (named.since === sequence) return discarded.filter((digest) => !named.digests.has(hex(digest)))
  const candidates = new Map(discarded.map((digest) => [hex(digest), digest]))
  let rows = 0
  for (const [key, value] of volume.tables.chunks.range()) {
    const row = decodeChunk(secondOf(key), value)
    if (row.born > sequence) candidates.delete(hex(row.digest))
    if (++rows % ROWS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  return [...candidates.values()]
}
