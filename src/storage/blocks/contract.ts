/**
 * The contract of the block cache: sealed blocks on this machine, whose bytes lie in segments and whose index is in
 * LMDB.
 */
import type { Digest } from '../../base/index.js'
import type { BlockLocation } from '../segments/index.js'

export interface IndexedBlock {
  readonly digest: Digest
  readonly location: BlockLocation
  /** 16 bytes; lets the same plaintext find this block again. Absent for fetched blocks. */
  readonly dedupId?: Uint8Array
}

/**
 * The sealed blocks on this machine. One thread owns it. Blocks are only-copy from `index` on; **only
 * `markEvictable`, called for a node's confirmation, makes a block evictable, and `reference` takes that back; the
 * evictor reads only the evictable table**, so data that exists nowhere else cannot be evicted by construction.
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
   * Nothing here is an only copy any more, as the tree begins anew from a published version: all of it may be evicted.
   * Durable when it resolves.
   */
  releaseAll(): Promise<void>
  /**
   * Good bytes for a block whose bytes here are damaged; what it may be evicted for stays. Nothing where the block is
   * not here.
   */
  restore(digest: Digest, bytes: Uint8Array): void
  /**
   * Up to `limit` evictable blocks behind the place `after`, in the order of eviction. @returns them, and the place of
   * the last
   */
  nextEvicted(after: number, limit: number): { digests: Digest[]; after: number }
  /** Forget blocks nothing refers to any more, also only copies (the caller knows). */
  discard(digests: readonly Digest[]): void
  /**
   * The sealed bytes when they are in the page cache or `wait` is set; undefined when absent (or not at hand at once).
   * @param scratch memory for them, used where it is long enough; fresh memory otherwise
   */
  readNow(digest: Digest, wait: boolean, scratch?: Uint8Array): Uint8Array | undefined
  /**
   * Fills `into` with sealed bytes from `offset` on, as `readNow`.
   * @returns false when they are not there or not at hand at once
   */
  readPartNow(digest: Digest, offset: number, into: Uint8Array, wait: boolean): boolean
  /**
   * The sealed bytes; undefined when absent.
   * @param scratch memory for them, used where it is long enough; fresh memory otherwise
   */
  read(digest: Digest, scratch?: Uint8Array): Promise<Uint8Array | undefined>
  /**
   * Memory that `read` fills past the page cache where it can: for blocks that are opened once and then cached as
   * plaintext.
   */
  scratch(bytes: number): Uint8Array
  /** Evict least recently used evictable blocks until `usedBytes` is at most `bytes`. @returns bytes freed on disk */
  evictTo(bytes: number): Promise<number>
  readonly usage: { readonly usedBytes: number; readonly evictableBytes: number; readonly blocks: number }
  /** Segments synced, then the index committed: everything indexed so far is durable. NO_SPACE as in Environment. */
  commit(): Promise<void>
  close(): Promise<void>
}
