/** The contract of LMDB environments with a write-behind overlay; records of sealed tables are encrypted at rest. */

/**
 * One LMDB environment, opened for writing by one thread. Writes go to an in-memory overlay, which reads of this thread
 * include at once. `commit` makes all writes so far durable, atomically, in one transaction.
 */
export interface Environment {
  readonly path: string
  /** Returns the same object for the same name. The options are the same each time. */
  table(name: string, options?: TableOptions): Table
  /** Number of writes in the overlay. */
  readonly pendingCount: number
  readonly pendingBytes: number
  /**
   * Durable when it resolves (fdatasync done). Commits are serial; calls during a commit share the next one. Rejects
   * with NO_SPACE when the disk is full: the overlay keeps its writes, and a later commit retries them.
   */
  commit(): Promise<void>
  /** Waits for commits that were asked for. Never commits: writes that no commit has are dropped, as by a kill. */
  close(): Promise<void>
}

export interface TableOptions {
  /** Values are encrypted at rest with the key given at open. */
  readonly sealed?: boolean
  /**
   * All keys have this length. Set for tables with many values slightly longer than an LMDB page, such as sealed file
   * pages: they take half the space (split-values.ts). `committedCount` is not valid then.
   */
  readonly keyBytes?: number
}

/** Keys have 1 … 1,900 bytes and sort as unsigned bytes. Returned values are copies; given values are copied. */
export interface Table {
  get(key: Uint8Array): Uint8Array | undefined
  put(key: Uint8Array, value: Uint8Array): void
  /** `put` without the copy: from now on nobody changes the memory of `value`. */
  give(key: Uint8Array, value: Buffer): void
  delete(key: Uint8Array): void
  /** Overlay and committed rows merged, `start` inclusive, `end` exclusive. */
  range(options?: RangeOptions): Iterable<readonly [key: Uint8Array, value: Uint8Array]>
  /** Rows of the last commit; known without reading any. */
  readonly committedCount: number
  /** The keys of `range`; no value is read. */
  keys(options?: RangeOptions): Iterable<Uint8Array>
}

export interface RangeOptions {
  readonly start?: Uint8Array
  readonly end?: Uint8Array
  readonly limit?: number
}

/** A snapshot of the last committed state, for another thread of the same process. Close it soon: it holds pages. */
export interface Snapshot {
  table(name: string, options?: TableOptions): Pick<Table, 'get' | 'range' | 'keys'>
  close(): void
}

export interface EnvironmentReader {
  snapshot(): Snapshot
  close(): Promise<void>
}
