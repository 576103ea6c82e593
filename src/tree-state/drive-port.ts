/**
 * What the drive thread offers to sync, and what it asks of sync. Both sides are plain data and cross a MessagePort.
 * It lives here because both vfs and sync may know it.
 */
import type { Digest, SecretKey } from '../base/index.js'
import type { ChunkRecord, NodeRef } from './contract.js'
import type { ChunkPage, ChunkPosition, DirectoryPage, DirectoryPosition } from './remote.js'

/** The four durability levels in files and bytes. */
export interface LevelCounts {
  readonly files: number
  readonly bytes: number
}

export interface DriveCounts {
  /** In the daemon's memory only: of a file no commit has yet, also what is staged. */
  readonly held: LevelCounts
  /** Durable on this machine, not confirmed by a node. */
  readonly staged: LevelCounts
  /** Files and bytes of the whole tree known here. */
  readonly total: LevelCounts
  readonly cacheUsedBytes: number
  readonly cacheEvictableBytes: number
  /** The last background failure, cleared by the next success. */
  readonly lastError: string | undefined
  /** Milliseconds (Clock.nowMs) of the last change to the tree; 0 when there was none since the last commit. */
  readonly lastChangeMs: number
  readonly dirtyInodes: number
  /** A write was refused for lack of space on this machine, and there still is no room for as much. */
  readonly isShortOfSpace: boolean
}

/**
 * What a published commit settled, in messages of bounded length. `refs` and `merged` come in parts, each applied once,
 * in a commit of
 * `meta` of its own; with the last part, `state.published = sequence`. `confirmed` and `discarded` come with it and in
 * messages after it. Sync repeats all of it after a crash, with the same parts.
 */
export interface PublishedCommit {
  readonly sequence: number
  /** Absent: all of it in one. */
  readonly part?: { readonly index: number; readonly isLast: boolean }
  /** `state.nextRemoved` at `sequence`: rows of `removed` with a smaller counter are settled and vanish. */
  readonly removedBefore: number
  /**
   * Content nodes made by the commit, by ino: directories, and files with long chunk lists; undefined: no content node
   * any more. Where the inode is gone by now, the node goes to `removed` as kind 2.
   */
  readonly refs: readonly { readonly ino: number; readonly ref: NodeRef | undefined }[]
  /**
   * Files whose staged pages the commit merged into new chunks. `rows` (born = `sequence`) replace the chunk rows that
   * begin in their `offset … offset+length`; applied, and the pages they cover dropped, only where the file has no
   * newer change than `sequence`. The published version counts both the old and the merged rows as live, so:
   * applied, the replaced rows go to
   * `removed` with their own `born` like any other; not applied (or the inode is gone), every digest of `rows` goes to
   * `removed` with born = `sequence`.
   */
  readonly merged: readonly MergedFile[]
  /** Blocks the node confirmed and pinned: evictable from now on. */
  readonly confirmed: readonly Digest[]
  /**
   * Blocks nothing referred to at `sequence`. The drive thread keeps those which a chunk row born after `sequence`
   * names again (rows of inodes with dirty > `sequence`), and those a running seal job found as duplicates.
   */
  readonly discarded: readonly Digest[]
}

export interface MergedFile {
  readonly ino: number
  /** In order of their offsets. */
  readonly rows: readonly ChunkRecord[]
  /** The next part goes on with the rows of this file. */
  readonly isContinued?: boolean
}

/** Bytes of a segment file in `segments/`. */
export interface BlockPlace {
  readonly segment: number
  readonly offset: number
  readonly length: number
}

export interface GivenBack {
  /** Not in the published version: they vanish unless a chunk row names them. */
  readonly unused: readonly Digest[]
  /** In the published version: evictable again. */
  readonly published: readonly Digest[]
}

/** A chunk row that is to name another block with the same plaintext. */
export interface ReplacedBlock {
  readonly ino: number
  readonly offset: number
  /** Nothing is done where the row names another block by now. */
  readonly from: Digest
  /** Here already, and sealed with `key`. */
  readonly to: Digest
  readonly key: SecretKey
}

export interface DrivePort {
  /**
   * Quiesce writers, make everything `staged`, commit, and hold further commits until `resume`, so that the caller can
   * open a snapshot that is exactly this instant. @returns the sequence of that commit
   */
  freeze(): Promise<{ sequence: number }>
  resume(): Promise<void>
  published(commit: PublishedCommit): Promise<void>
  /** Blocks sealed elsewhere (merged pages): durable and only-copy when it resolves. */
  adopt(blocks: readonly { digest: Digest; bytes: Uint8Array; dedupId?: Uint8Array }[]): Promise<void>
  /** Adopted blocks of a version that will not be made. May be repeated. */
  giveBack(blocks: GivenBack): Promise<void>
  /**
   * The node's copies of these blocks are damaged: those here may not be evicted, until `giveBack` or a version says
   * otherwise.
   */
  keepBlocks(digests: readonly Digest[]): Promise<void>
  /** Good bytes, which the caller has checked, for blocks whose bytes here are damaged. */
  restoreBlocks(blocks: readonly { digest: Digest; bytes: Uint8Array }[]): Promise<void>
  /**
   * Each row is published with the next version. Nothing else of the file changes. @returns which rows were replaced
   */
  replaceBlocks(rows: readonly ReplacedBlock[]): Promise<boolean[]>
  /** The next version has these inodes anew, though nothing of them changed. */
  markChanged(inos: readonly number[]): Promise<void>
  /**
   * Blocks in the order in which they would be evicted, from a place in it on. @returns them, and the place to go on
   * from
   */
  nextEvicted(after: number, limit: number): Promise<{ digests: Digest[]; after: number }>
  /** Sealed bytes of blocks on this machine; undefined where absent. */
  readBlocks(digests: readonly Digest[]): Promise<(Uint8Array | undefined)[]>
  /**
   * Where blocks on this machine are at this moment; undefined where absent. They are moved, and their space is given
   * back, at any time: bytes read there count only when their digest is the block's.
   */
  placesOf(digests: readonly Digest[]): Promise<(BlockPlace | undefined)[]>
  /** Everything `staged`. */
  flush(): Promise<void>
  /**
   * Gives back the space of blocks that nothing refers to any more and no version ever had, as far as that can be done
   * without a new version. Only while none is on its way.
   */
  discardUnpublished(): Promise<void>
  counts(): Promise<DriveCounts>
  evictTo(bytes: number): Promise<number>
}

/** What the drive thread asks when bytes or entries are not on this machine. Offline: OFFLINE, never a hang. */
export interface RemoteSource {
  /** Sealed bytes, verified by CID, in the order asked. */
  fetchBlocks(digests: readonly Digest[], signal?: AbortSignal): Promise<Uint8Array[]>
  /** The next entries of a published directory, in byte order of their names. */
  loadDirectory(from: DirectoryPosition, signal?: AbortSignal): Promise<DirectoryPage>
  /** The next rows of a published chunk list, in order of their offsets. */
  loadChunks(from: ChunkPosition, signal?: AbortSignal): Promise<ChunkPage>
}
