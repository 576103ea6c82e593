/** The contract of the pipeline: plaintext in, sealed blocks in segments out; and sealed blocks back to plaintext. */
import type { Digest, SecretKey } from '../base/index.js'
import type { BlockLocation } from '../storage/segments/thread.js'

/** FastCDC limits (docs/FORMAT.md). A sealed leaf block is at most 1 MiB: maximum plaintext 1 MiB − 4 KiB. */
export const CHUNK = { MIN: 64 * 1024, AVERAGE: 256 * 1024, MAX: 1024 * 1024 - 4096, FIXED: 256 * 1024 } as const

export type ChunkMode = 'content-defined' | 'fixed'

export interface SealItem {
  /** Position of this item's plaintext in `SealJob.data`. */
  readonly offset: number
  readonly length: number
  readonly mode: ChunkMode
  /**
   * The item ends the file: the rest is cut too. Otherwise trailing bytes whose cut is not certain are left unconsumed.
   */
  readonly final: boolean
}

export interface SealJob {
  /**
   * Plaintext. A view on a SharedArrayBuffer is read in place, and must not change until the job resolves; any other
   * view is copied. Jobs of 1 MiB and more amortise the thread hop.
   */
  readonly data: Uint8Array
  readonly items: readonly SealItem[]
}

export interface SealedChunk {
  readonly digest: Digest
  readonly key: SecretKey
  readonly plainLength: number
  /** 16 bytes. */
  readonly dedupId: Uint8Array
  /** Absent when the block was in the store already (found by its dedup id). */
  readonly location: BlockLocation | undefined
}

export interface SealedItem {
  /** Bytes cut into `chunks`, from the item's start; equals `length` for a final item. */
  readonly consumed: number
  readonly chunks: readonly SealedChunk[]
}

/** Keys of the content layer. */
export interface ContentKeys {
  readonly dedupKey: SecretKey
  readonly gearKey: SecretKey
}

export interface PipelineOptions {
  /** Where workers append sealed blocks (`BlockStore.segmentDirectory`). */
  readonly segmentDirectory: string
  readonly keys: ContentKeys
  /** Threads at most; as many as the machine has cores, up to 4, by default. They start on demand and end when idle. */
  readonly workers?: number
  /** Milliseconds after which an idle thread ends; 20,000 by default. */
  readonly idleTimeoutMs?: number
  /**
   * `BlockStore.findDuplicate`: called on the caller's thread. Chunks it knows are neither encrypted nor written, and
   * come back without a location. It is asked again before the job resolves, so such a digest is known at that instant.
   */
  readonly findDuplicate?: (dedupId: Uint8Array) => Digest | undefined
  /** Undefined: native when built. */
  readonly core?: 'javascript'
}

export interface Pipeline {
  /**
   * Chunks, seals, hashes and writes to segments, on a pool thread. Blocks still have to be indexed by the caller.
   * Rejects with NO_SPACE when the disk is full (the same job may be given again), with ABORTED when the signal fires:
   * at once while it waits, otherwise when the thread has let go of the plaintext (milliseconds).
   */
  seal(job: SealJob, options?: { signal?: AbortSignal }): Promise<SealedItem[]>
  /** Jobs waiting or running. */
  readonly load: number
  readonly core: 'native' | 'javascript'
  close(): Promise<void>
}

/** Tags of the 4 KiB pages of a sealed block, of a key only this process has; they mean nothing to another one. */
export interface PageTags {
  readonly serial: number
  readonly tags: Uint8Array
}

/** Opens a few pages of a block that was opened as a whole before, as safely: pages that changed since are refused. */
export interface PartOpener {
  /** @param sealed what `openLeaf` or `openLeafInto` has just accepted */
  tag(sealed: Uint8Array): PageTags
  /**
   * Fills `into` with the plaintext from `skip` bytes into `pages` on.
   * @param pages whole sealed pages, the block's page `first` (from 0) and those after it
   * @returns false when they are not what was tagged
   */
  open(pages: Uint8Array, first: number, tags: PageTags, key: SecretKey, skip: number, into: Uint8Array): boolean
}

/** The synchronous core, same bytes in native and JavaScript form. */
export interface Core {
  readonly kind: 'native' | 'javascript'
  /**
   * Seal one plaintext of 1 … CHUNK.MAX bytes as a leaf block.
   * @returns the sealed block (fresh memory), its SHA-256, its key and its dedup id
   */
  sealLeaf(
    plain: Uint8Array,
    keys: ContentKeys,
  ): { sealed: Uint8Array; digest: Digest; key: SecretKey; dedupId: Uint8Array }
  /**
   * Open a leaf block.
   * @returns the plaintext without padding, fresh memory; throws CORRUPT when the tag or the padding is wrong
   */
  openLeaf(sealed: Uint8Array, key: SecretKey): Uint8Array
  /**
   * The same into reused memory, twice as fast: `into` takes at least `sealed.length` − 16 bytes.
   * @returns the plaintext's length; throws CORRUPT (then `into` holds zeros or nothing of the block)
   */
  openLeafInto(sealed: Uint8Array, key: SecretKey, into: Uint8Array): number
  /** Opening parts of blocks; undefined in the JavaScript form. */
  readonly parts?: PartOpener
  /** End offsets of the chunks of `data`; when not `final`, uncertain trailing bytes belong to no chunk. */
  cut(data: Uint8Array, mode: ChunkMode, final: boolean, keys: ContentKeys): number[]
  sha256(data: Uint8Array): Digest
}
