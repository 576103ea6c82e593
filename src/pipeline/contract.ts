/**
 * The contract of the pipeline. It turns plaintext into sealed blocks in segments, and sealed blocks back into
 * plaintext.
 */
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
   * The item ends the file, so its last bytes become a chunk too. Otherwise trailing bytes without a certain cut stay
   * unconsumed.
   */
  readonly final: boolean
}

export interface SealJob {
  /**
   * Plaintext. A view on a SharedArrayBuffer is read in place and must not change until the job resolves. Any other
   * view is copied. Jobs of at least 1 MiB make the cost of the thread hop negligible.
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
  /** Absent when the store already had the block (found by its dedup id). */
  readonly location: BlockLocation | undefined
}

export interface SealedItem {
  /** The number of bytes, from the item's start, that were cut into `chunks`. Equals `length` for a final item. */
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
  /** The maximum number of threads. Default: one per core, at most 4. Threads start on demand and end when idle. */
  readonly workers?: number
  /** Milliseconds after which an idle thread ends; 20,000 by default. */
  readonly idleTimeoutMs?: number
  /**
   * `BlockStore.findDuplicate`: called on the caller's thread. Chunks it knows are neither encrypted nor written; they
   * are returned without a location. It is called again for these chunks before the job resolves, so the store still
   * has them at that instant.
   */
  readonly findDuplicate?: (dedupId: Uint8Array) => Digest | undefined
  /** Undefined: the native core when it is built. */
  readonly core?: 'javascript'
}

export interface Pipeline {
  /**
   * Chunks, seals, hashes and writes to segments on a pool thread. The caller must index the blocks. Rejects with
   * NO_SPACE when the disk is full; the caller may submit the same job again. Rejects with ABORTED when the signal
   * fires: at once while the job waits, otherwise when the thread no longer reads the plaintext (milliseconds).
   */
  seal(job: SealJob, options?: { signal?: AbortSignal }): Promise<SealedItem[]>
  /** Jobs waiting or running. */
  readonly load: number
  readonly core: 'native' | 'javascript'
  close(): Promise<void>
}

/** Authentication tags of the 4 KiB pages of a sealed block. Their key exists only in this process. */
export interface PageTags {
  readonly serial: number
  readonly tags: Uint8Array
}

/** A part of a sealed block, and where in it the wanted plaintext begins. */
export interface SealedPart {
  /** Consecutive whole sealed pages of the block. */
  readonly pages: Uint8Array
  /** The index of the first of them in the block, from 0. */
  readonly first: number
  /** Plaintext bytes of the pages before what is wanted. */
  readonly skip: number
}

/** Opens single pages of a block that was opened as a whole before. Pages that have changed since are refused. */
export interface PartOpener {
  /** @param sealed a block that `openLeaf` or `openLeafInto` has just accepted */
  tag(sealed: Uint8Array): PageTags
  /**
   * Fills `into` with plaintext. @returns false when the pages differ from the tagged ones
   */
  open(part: SealedPart, tags: PageTags, key: SecretKey, into: Uint8Array): boolean
}

/** The synchronous core. The native and the JavaScript form produce the same bytes. */
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
   * Like `openLeaf`, but into reused memory and twice as fast. `into` has at least `sealed.length` − 16 bytes.
   * @returns the plaintext's length; throws CORRUPT (`into` then holds no plaintext of the block)
   */
  openLeafInto(sealed: Uint8Array, key: SecretKey, into: Uint8Array): number
  /** Opening parts of blocks; undefined in the JavaScript form. */
  readonly parts?: PartOpener
  /** End offsets of the chunks of `data`; unless `final`, trailing bytes without a certain cut belong to no chunk. */
  cut(data: Uint8Array, mode: ChunkMode, final: boolean, keys: ContentKeys): number[]
  sha256(data: Uint8Array): Digest
}
