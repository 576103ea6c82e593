/**
 * The contracts of local storage: LMDB environments with a write-behind overlay, records sealed at rest, and the
 * block cache whose bytes live in append-only segment files with an LMDB index.
 */
import type { Digest, SecretKey, FileId, PlainName } from '../base/index.js'

// ---------------------------------------------------------------- environments

/**
 * One LMDB environment opened for writing by one thread. Writes go to an in-memory overlay that this thread reads
 * through at once; `commit` makes everything written so far durable, atomically, in one transaction.
 */
export interface Environment {
  readonly path: string
  /** The same object for the same name. Values of `sealed` tables are encrypted at rest under the key given at open. */
  table(name: string, options?: { sealed?: boolean }): Table
  /** Writes waiting in the overlay. */
  readonly pendingCount: number
  readonly pendingBytes: number
  /**
   * Durable when it resolves (fdatasync done). Commits are serial; calls made while one runs share the next.
   * Rejects with NO_SPACE when the disk is full: the overlay then keeps its writes and a later commit retries them.
   */
  commit(): Promise<void>
  /** Commits, then closes. */
  close(): Promise<void>
}

/** Keys are 1 … 1,900 bytes and sort as unsigned bytes. Returned values are copies; given values are not touched after. */
export interface Table {
  get(key: Uint8Array): Uint8Array | undefined
  put(key: Uint8Array, value: Uint8Array): void
  delete(key: Uint8Array): void
  /** Overlay and committed rows merged, `start` inclusive, `end` exclusive. */
  range(options?: RangeOptions): Iterable<readonly [key: Uint8Array, value: Uint8Array]>
}

export interface RangeOptions {
  readonly start?: Uint8Array
  readonly end?: Uint8Array
  readonly limit?: number
}

/** A frozen view of the last committed state, for another thread of the same process. Close it soon: it holds pages. */
export interface Snapshot {
  table(name: string, options?: { sealed?: boolean }): Pick<Table, 'get' | 'range'>
  close(): void
}

export interface EnvironmentReader {
  snapshot(): Snapshot
  close(): Promise<void>
}

// ---------------------------------------------------------------- block cache

/** Where a sealed block lies: byte `offset` of segment file `segment`, `length` bytes. */
export interface BlockLocation {
  readonly segment: number
  readonly offset: number
  readonly length: number
}

export interface IndexedBlock {
  readonly digest: Digest
  readonly location: BlockLocation
  /** 16 bytes; lets the same plaintext find this block again. Absent for fetched blocks. */
  readonly dedupId?: Uint8Array
}

/**
 * Appends sealed blocks to a segment file of its own; any thread may hold one. Segment numbers are taken by exclusive
 * file creation, so writers never meet. Bytes are durable only after `BlockStore.commit` of the owner.
 */
export interface SegmentWriter {
  /** One write(2). `lengths` split `bytes` into consecutive blocks. @returns one location a block */
  append(bytes: Uint8Array, lengths: readonly number[]): BlockLocation[]
  close(): void
}

/**
 * The sealed blocks on this machine. One thread owns it. Blocks are only-copy from `index` on; **only
 * `markEvictable`, called for a node's confirmation, makes a block evictable, and `reference` takes that back; the evictor
 * reads only the evictable table**, so data that exists nowhere else cannot be evicted by construction.
 */
export interface BlockStore {
  readonly segmentDirectory: string
  has(digest: Digest): boolean
  locate(digest: Digest): BlockLocation | undefined
  findDuplicate(dedupId: Uint8Array): Digest | undefined
  /** Announce blocks whose bytes are in segments; a digest already present counts the new bytes as dead. */
  index(blocks: readonly IndexedBlock[]): void
  /** Write and announce blocks that came from a node (already verified); evictable at once, unless `onlyCopy`. */
  ingest(
    blocks: readonly { digest: Digest; bytes: Uint8Array; dedupId?: Uint8Array }[],
    options: { onlyCopy: boolean },
  ): void
  /**
   * A new use of these blocks that no node has confirmed yet: they may not be evicted until confirmed again.
   * @returns those that are not here (any more)
   */
  reference(digests: readonly Digest[]): Digest[]
  /** Recently used: evict later. Cheap, in memory, written now and then. */
  touch(digest: Digest): void
  markEvictable(digests: readonly Digest[]): void
  /**
   * Nothing here is an only copy any more, as the tree begins anew from a published version: all of it may be evicted. Durable when it
   * resolves.
   */
  releaseAll(): Promise<void>
  /** Forget blocks nothing refers to any more, also only copies (the caller knows). */
  discard(digests: readonly Digest[]): void
  /**
   * The sealed bytes when they are in the page cache or `wait` is set; undefined when absent (or not at hand at once).
   * @param scratch memory for them, used where it is long enough; fresh memory otherwise
   */
  readNow(digest: Digest, wait: boolean, scratch?: Uint8Array): Uint8Array | undefined
  /** Fills `into` with sealed bytes from `offset` on, as `readNow`. @returns false when they are not there or not at hand at once */
  readPartNow(digest: Digest, offset: number, into: Uint8Array, wait: boolean): boolean
  /**
   * The sealed bytes; undefined when absent.
   * @param scratch memory for them, used where it is long enough; fresh memory otherwise
   */
  read(digest: Digest, scratch?: Uint8Array): Promise<Uint8Array | undefined>
  /** Memory that `read` fills past the page cache where it can: for blocks that are opened once and then cached as plaintext. */
  scratch(bytes: number): Uint8Array
  /** Evict least recently used evictable blocks until `usedBytes` is at most `bytes`. @returns bytes freed on disk */
  evictTo(bytes: number): Promise<number>
  readonly usage: { readonly usedBytes: number; readonly evictableBytes: number; readonly blocks: number }
  /** Segments synced, then the index committed: everything indexed so far is durable. NO_SPACE as in Environment. */
  commit(): Promise<void>
  close(): Promise<void>
}

// ---------------------------------------------------------------- metadata records

/** S_IFMT values shifted right by 12 (DT_*). */
export const TYPE = { FIFO: 1, CHAR: 2, DIRECTORY: 4, BLOCK: 6, FILE: 8, SYMLINK: 10, SOCKET: 12 } as const

/** A reference to a private tree node: its block and its key. */
export interface NodeRef {
  readonly digest: Digest
  readonly key: SecretKey
}

/**
 * One inode as stored. Binary layout: fixed header, then optional parts; the codec is in inode-record.ts.
 * Table `inodes`, key BE64(ino).
 */
export interface InodeRecord {
  readonly ino: number
  readonly fileId: FileId
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly nlink: number
  readonly rdev: number
  readonly size: number
  readonly atimeSec: number
  readonly atimeNsec: number
  readonly mtimeSec: number
  readonly mtimeNsec: number
  readonly ctimeSec: number
  readonly ctimeNsec: number
  readonly btimeSec: number
  readonly btimeNsec: number
  /** A parent directory (any of them for a hard link); 0 for the root and for unlinked-but-open inodes. */
  readonly parent: number
  /** Directories: the next cookie to give out. */
  readonly nextCookie: number
  /** Files opened for in-place writes are cut in fixed 256 KiB chunks. */
  readonly fixedChunks: boolean
  /** The whole body of a small file (at most 2 KiB), or a symlink's target. */
  readonly inline: Uint8Array | undefined
  /** The published content node: a directory's entries, or a file's long chunk list. Set by loading and by publishing. */
  readonly ref: NodeRef | undefined
  /** Directories: entries are not in `dentries` yet, load them from `ref`. Files: chunks are not in `chunks` yet. */
  readonly unloaded: boolean
  readonly xattrs: readonly { readonly name: string; readonly value: Uint8Array }[]
}

/** Table `dentries`, key BE64(parent) || HMAC-SHA-256(K_name, name)[0..15]. */
export interface DentryRecord {
  readonly name: PlainName
  readonly ino: number
  readonly type: number
  readonly cookie: number
}

/**
 * A run of a file's bytes that lies in one sealed block: plaintext bytes `skip … skip+length` of the block are file bytes
 * `offset … offset+length`. Runs of a file do not overlap; gaps read as zeros.
 * Table `chunks`, key BE64(ino) || BE64(offset).
 */
export interface ChunkRecord {
  readonly offset: number
  readonly length: number
  readonly skip: number
  readonly digest: Digest
  readonly key: SecretKey
  /** The commit sequence (see TABLES) during which this row was written; published when at most the published sequence. */
  readonly born: number
}

/**
 * Metadata tables of the environment `meta`, all sealed:
 * - `inodes`, `dentries`, `chunks` as above
 * - `pages`   BE64(ino) || BE64(page index): up to 4,096 bytes of staged file data that lies over the chunks
 * - `links`   BE64(ino) || BE64(parent) || nameHash[16]: one row a name, only for inodes with nlink > 1
 * - `ids`     fileId → BE64(ino), for inodes whose fileId another entry may name (nlink > 1)
 * - `dirty`   BE64(ino) → BE48(sequence): inodes changed since the last published commit (created, content, attributes,
 *             xattrs; for a directory also its entry list); rows of removed inodes vanish
 * - `removed` BE64(counter) → what the published version still has and this tree no longer (codec in row-records.ts):
 *             kind 0 `block`: a block that a chunk row no longer uses (every row deleted or rewritten, its own `born`);
 *             kind 1 `node`: the `ref` of a removed inode whose content was never loaded: its map and all it names;
 *             kind 2 `map`: the `ref` of a removed inode whose content was loaded (directories, long chunk lists): the map's own nodes;
 *             kind 3 `link`: the fileId of a removed inode that had several names: the published link table may have it
 * - `state`   name → value: `sequence` BE48 (the open commit sequence), `published` BE48, `nextIno` BE64, `nextRemoved` BE64,
 *             `clean` (a clean shutdown), and a row `orphan/` || BE64(ino) for every inode without a name that is still open
 * A commit sequence is a counter that grows by one with every commit of the environment.
 */
export const TABLES = {
  inodes: 'inodes',
  dentries: 'dentries',
  chunks: 'chunks',
  pages: 'pages',
  links: 'links',
  ids: 'ids',
  dirty: 'dirty',
  removed: 'removed',
  state: 'state',
} as const

export const PAGE_BYTES = 4096
