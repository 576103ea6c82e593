/**
 * The contract of the block cache: sealed blocks on this machine. Their bytes lie in segments; their index is in LMDB.
 */
import type { Digest } from '../../base/index.js'
import type { BlockLocation, SharedPlaces } from '../segments/index.js'

export interface IndexedBlock {
  readonly digest: Digest
  readonly location: BlockLocation
  /** 16 bytes; finds this block for the same plaintext. Undefined for fetched blocks. */
  readonly dedupId?: Uint8Array
}

/**
 * The sealed blocks on this machine. One thread owns it. A block is an only copy from `index` on. **Only
 * `markEvictable`, called after a node's confirmation, makes a block evictable; `reference` reverts that. The evictor
 * reads only the evictable table**, so it cannot evict data that exists nowhere else.
 */
export interface BlockStore {
  readonly segmentDirectory: string
  has(digest: Digest): boolean
  locate(digest: Digest): BlockLocation | undefined
  findDuplicate(dedupId: Uint8Array): Digest | undefined
  /** Adds blocks whose bytes are in segments; if a digest exists already, its new bytes count as dead. */
  index(blocks: readonly IndexedBlock[]): void
  /** Writes and adds blocks from a node (already verified); evictable at once, unless `onlyCopy`. */
  ingest(
    blocks: readonly { digest: Digest; bytes: Uint8Array; dedupId?: Uint8Array }[],
    options: { onlyCopy: boolean },
  ): void
  /**
   * Adds references to these blocks that no node has confirmed: they become only copies until they are confirmed again.
   * @returns the digests of missing blocks
   */
  reference(digests: readonly Digest[]): Digest[]
  /** Marks the block as recently used. Cheap: kept in memory, written now and then. */
  touch(digest: Digest): void
  markEvictable(digests: readonly Digest[]): void
  /** Makes every block evictable, because the tree is rebuilt from a published version. Durable when it resolves. */
  releaseAll(): Promise<void>
  /**
   * Replaces the damaged bytes of a block by good ones; whether it is evictable stays. Does nothing if the block is
   * missing.
   */
  restore(digest: Digest, bytes: Uint8Array): void
  /**
   * Up to `limit` evictable blocks after position `after`, in the order of eviction. @returns them, and the position of
   * the last
   */
  nextEvicted(after: number, limit: number): { digests: Digest[]; after: number }
  /** Deletes blocks that nothing references, also only copies (the caller has checked). */
  discard(digests: readonly Digest[]): void
  /**
   * The sealed bytes when they are in the page cache or `wait` is set. Undefined when missing, or when they would need
   * a wait.
   * @param scratch memory for them, used if it is long enough; otherwise memory is allocated
   */
  readNow(digest: Digest, wait: boolean, scratch?: Uint8Array): Uint8Array | undefined
  /**
   * Fills `into` with sealed bytes from `offset` on, like `readNow`.
   * @returns false when they are missing or would need a wait
   */
  readPartNow(digest: Digest, offset: number, into: Uint8Array, wait: boolean): boolean
  /**
   * The sealed bytes; undefined when missing.
   * @param scratch memory for them, used if it is long enough; otherwise memory is allocated
   */
  read(digest: Digest, scratch?: Uint8Array): Promise<Uint8Array | undefined>
  /**
   * Memory that `read` fills past the page cache if possible: for blocks that are opened once and then cached as
   * plaintext.
   */
  scratch(bytes: number): Uint8Array
  /**
   * Evicts the least recently used evictable blocks until `usedBytes` is at most `bytes`. @returns the number of bytes
   * freed on disk
   */
  evictTo(bytes: number): Promise<number>
  /**
   * Gives the file of a segment a second name, for a store on the same disk. From then on nothing changes its bytes
   * while that name exists. @returns for each block, whether its bytes are there, durably
   */
  share(wanted: SharedPlaces): Promise<boolean[]>
  /** Looks at up to `limit` shared segments; those whose second name is gone are the cache's own again. */
  recountShared(limit: number): Promise<void>
  /** `usedBytes` and `evictableBytes` do not count `sharedBytes`, which eviction cannot free. */
  readonly usage: {
    readonly usedBytes: number
    readonly evictableBytes: number
    readonly sharedBytes: number
    readonly blocks: number
  }
  /** Syncs the segments, then commits the index: everything indexed so far is durable. NO_SPACE as in Environment. */
  commit(): Promise<void>
  close(): Promise<void>
}
