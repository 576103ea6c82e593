/**
 * The interfaces between the drive thread and sync. All arguments and results are plain data and cross a MessagePort.
 * They are defined here because vfs and sync both import this module.
 */
import type { Digest, SecretKey } from '../base/index.js'
import type { ChunkRecord, NodeRef } from './contract.js'
import type { ChunkPage, ChunkPosition, DirectoryPage, DirectoryPosition } from './remote.js'

/** The four durability levels in files and bytes. */
export interface LevelCounts {
  readonly files: number
  readonly bytes: number
}

/** Staged files and bytes that are part of the version made of the freeze at `sequence`, and have not changed since. */
export interface FrozenCounts extends LevelCounts {
  /** 0 if there was no freeze since the drive was opened. */
  readonly sequence: number
}

/** All of one moment. Each file with unpublished changes counts once, in `held` or in `staged`. */
export interface DriveCounts {
  /** A part is only in the daemon's memory. A file in no commit yet counts here with its staged pages. */
  readonly held: LevelCounts
  /** Durable on this machine, not confirmed by a node. */
  readonly staged: LevelCounts
  /** The part of `staged` that is in a version being published. */
  readonly frozen: FrozenCounts
  /** Files and bytes of the whole tree, as far as this machine has loaded it. */
  readonly total: LevelCounts
  /** There are directories that this machine has not loaded, so `total` is too low. */
  readonly isPartial: boolean
  readonly cacheUsedBytes: number
  readonly cacheEvictableBytes: number
  /** The last background failure. The next success clears it. */
  readonly lastError: string | undefined
  /** Milliseconds (Clock.nowMs) of the last change to the tree; 0 if nothing changed since the last commit. */
  readonly lastChangeMs: number
  readonly dirtyInodes: number
  /** This machine refused a write for lack of space, and there is still no space for it. */
  readonly isShortOfSpace: boolean
}

/**
 * The results of a published commit, in messages of bounded length. `refs` and `merged` come in parts. Each part is
 * applied once, in its own commit of `meta`. The last part sets `state.published = sequence`. `confirmed` and
 * `discarded` come with the last part and in messages after it. After a crash, sync repeats all messages with the same
 * parts.
 */
export interface PublishedCommit {
  readonly sequence: number
  /** Absent: this message is the only part. */
  readonly part?: { readonly index: number; readonly isLast: boolean }
  /** `state.nextRemoved` at `sequence`: rows of `removed` with a smaller counter are done and are deleted. */
  readonly removedBefore: number
  /**
   * Content nodes of the commit, by ino: directories, and files with long chunk lists. Undefined: the inode no longer
   * has a content node. If the inode was removed meanwhile, its node is added to `removed` as kind 2.
   */
  readonly refs: readonly { readonly ino: number; readonly ref: NodeRef | undefined }[]
  /**
   * Files whose staged pages the commit merged into new chunks. `rows` (born = `sequence`) replace the chunk rows that
   * begin in their `offset … offset+length`. They are applied, and the pages below them dropped, only if the file has
   * no change newer than `sequence`. The published version counts the old and the merged rows as live. So if applied,
   * the replaced rows go to `removed` with their own `born`. If not applied, or if the inode is gone, every digest of
   * `rows` goes to `removed` with born = `sequence`.
   */
  readonly merged: readonly MergedFile[]
  /** Blocks the node confirmed and pinned. They are evictable from now on. */
  readonly confirmed: readonly Digest[]
  /**
   * Blocks with refcount 0 at `sequence`. The drive thread keeps a block if a chunk row born after `sequence` refers to
   * it (rows of inodes with dirty > `sequence`), or if a running seal job found it as a duplicate.
   */
  readonly discarded: readonly Digest[]
}

export interface MergedFile {
  readonly ino: number
  /** In order of their offsets. */
  readonly rows: readonly ChunkRecord[]
  /** The next part continues with the rows of this file. */
  readonly isContinued?: boolean
}

/** A byte range in a segment file in `segments/`. */
export interface BlockPlace {
  readonly segment: number
  readonly offset: number
  readonly length: number
}

/** Asks for the second name `path` of a segment's file, because a store on the same disk has these blocks of it too. */
export interface SharedBlocks {
  readonly segment: number
  readonly path: string
  readonly blocks: readonly { readonly digest: Digest; readonly place: BlockPlace }[]
}

export interface GivenBack {
  /** Not in the published version: they are discarded unless a chunk row refers to them. */
  readonly unused: readonly Digest[]
  /** In the published version: evictable again. */
  readonly published: readonly Digest[]
}

/** A chunk row that shall refer to another block with the same plaintext. */
export interface ReplacedBlock {
  readonly ino: number
  readonly offset: number
  /** The block the row must refer to now; otherwise the row stays unchanged. */
  readonly from: Digest
  /** Already in the store, and sealed with `key`. */
  readonly to: Digest
  readonly key: SecretKey
}

export interface DrivePort {
  /**
   * Quiesces writers, makes everything `staged`, commits, and holds further commits until `resume`. So the caller can
   * open a snapshot of exactly this instant. @returns the sequence of that commit
   */
  freeze(): Promise<{ sequence: number }>
  resume(): Promise<void>
  published(commit: PublishedCommit): Promise<void>
  /** Blocks sealed elsewhere (merged pages): durable and only-copy when it resolves. */
  adopt(blocks: readonly { digest: Digest; bytes: Uint8Array; dedupId?: Uint8Array }[]): Promise<void>
  /** Returns adopted blocks of a version that will not be made. May be repeated. */
  giveBack(blocks: GivenBack): Promise<void>
  /**
   * The node's copies of these blocks are damaged. The local copies may not be evicted until `giveBack` or a published
   * version allows it.
   */
  keepBlocks(digests: readonly Digest[]): Promise<void>
  /** Replaces damaged local blocks by good bytes, which the caller has verified. */
  restoreBlocks(blocks: readonly { digest: Digest; bytes: Uint8Array }[]): Promise<void>
  /**
   * The next version publishes each row. Nothing else of the file changes. @returns for each row, whether it was
   * replaced
   */
  replaceBlocks(rows: readonly ReplacedBlock[]): Promise<boolean[]>
  /** Marks unchanged inodes as dirty, so that the next version contains them anew. */
  markChanged(inos: readonly number[]): Promise<void>
  /** Blocks in eviction order, from the cursor `after` on. @returns the blocks, and the cursor of the next call */
  nextEvicted(after: number, limit: number): Promise<{ digests: Digest[]; after: number }>
  /** Sealed bytes of blocks on this machine; undefined where absent. */
  readBlocks(digests: readonly Digest[]): Promise<(Uint8Array | undefined)[]>
  /**
   * The current places of blocks on this machine; undefined where absent. Blocks are moved, and their space is freed,
   * at any time: bytes read from a place are valid only if their digest is the block's.
   */
  placesOf(digests: readonly Digest[]): Promise<(BlockPlace | undefined)[]>
  /** See `BlockStore.share`: for the embedded node, if its store is on the disk of the cache. */
  shareSegment(wanted: SharedBlocks): Promise<boolean[]>
  /** Makes everything `staged`. */
  flush(): Promise<void>
  /**
   * Discards blocks that have refcount 0 and were never in a version, as far as possible without a new version. Call it
   * only while no version is being published.
   */
  discardUnpublished(): Promise<void>
  counts(): Promise<DriveCounts>
  evictTo(bytes: number): Promise<number>
}

/** The source of blocks and entries that are not on this machine. It rejects with OFFLINE instead of hanging. */
export interface RemoteSource {
  /** Sealed bytes, verified by CID, in the order of `digests`. */
  fetchBlocks(digests: readonly Digest[], signal?: AbortSignal): Promise<Uint8Array[]>
  /** The next entries of a published directory, in byte order of their names. */
  loadDirectory(from: DirectoryPosition, signal?: AbortSignal): Promise<DirectoryPage>
  /** The next rows of a published chunk list, in order of their offsets. */
  loadChunks(from: ChunkPosition, signal?: AbortSignal): Promise<ChunkPage>
}
