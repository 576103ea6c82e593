/**
 * Plaintext of chunks, from a small cache of opened blocks, the local store, or the nodes. Concurrent requests for one
 * block share one read; blocks from a node are kept in the store.
 */
import {
  BoundedQueue,
  deferred,
  DriveError,
  isDriveError,
  MIB,
  unlessAborted,
  type Deferred,
  type Digest,
  type Log,
} from '../../base/index.js'
import type { RemoteSource } from '../../tree-state/index.js'
import type { Caller } from '../tree.js'
import { blockName, RecentBlocks, type BlockRef, type OpenedBlock, type OpenedBlocks } from './opened-blocks.js'
import { PartReader } from './part-reader.js'
import { ScratchPool } from './scratch-pool.js'
import type { Core } from '../../pipeline/index.js'
import type { BlockStore } from '../../storage/blocks/index.js'
import type { TreeBlocks } from '../staging/tree-blocks.js'

/** The sources of plaintext. */
export interface ChunkReaderParts {
  readonly blocks: TreeBlocks
  readonly core: Core
  readonly remote: Pick<RemoteSource, 'fetchBlocks'>
  readonly log: Log
}

/** Prefetched blocks in flight, for all readers together: each takes a buffer of 1 MiB. */
const MOST_AHEAD = 32

export class ChunkReader {
  /** The turns of reads of many rows (`loadRows`): two open blocks at a time. */
  readonly manyRows = new BoundedQueue(2)
  readonly #blocks: TreeBlocks
  readonly #store: BlockStore
  readonly #core: Core
  readonly #remote: Pick<RemoteSource, 'fetchBlocks'>
  readonly #log: Log
  readonly #recent: RecentBlocks
  readonly #loading = new Map<string, Promise<OpenedBlock>>()
  readonly #parts: PartReader
  /** Buffers filled past the page cache. */
  readonly #scratch: ScratchPool
  /** Buffers filled through the page cache. */
  readonly #cachedScratch = new ScratchPool(() => Buffer.allocUnsafeSlow(MIB))
  readonly #sealed = Buffer.allocUnsafeSlow(MIB)
  #ahead = 0
  #used = false

  constructor(parts: ChunkReaderParts) {
    this.#blocks = parts.blocks
    this.#store = parts.blocks.store
    this.#core = parts.core
    this.#remote = parts.remote
    this.#recent = new RecentBlocks(parts.core)
    this.#log = parts.log
    this.#scratch = new ScratchPool(() => this.#store.scratch(MIB))
    this.#parts = new PartReader(parts.blocks.store, parts.core)
  }

  /** The plaintext if it is available without a wait for disk or network. Valid during this turn of the event loop. */
  openNow(row: BlockRef, own?: OpenedBlocks): Uint8Array | undefined {
    const name = blockName(row)
    this.#used = true
    const known = own?.get(name) ?? this.#recent.use(name)
    if (known !== undefined) return known
    const sealed = this.#store.readNow(row.digest, false, this.#sealed)
    if (sealed === undefined) return undefined
    this.#store.touch(row.digest)
    try {
      return this.#recent.open(name, row.key, sealed).plain
    } catch (error) {
      // The local copy is damaged: `load` asks a node for another one.
      if (isDriveError(error, 'CORRUPT')) return undefined
      throw error
    }
  }

  /**
   * Plaintext bytes `from … to` of a block, for readers that need only these. Undefined when they are not available, or
   * when the block cannot be opened in parts; then use `openNow` and `load`.
   * @param wait allows a wait for the disk
   */
  openPartNow(row: BlockRef, from: number, to: number, own: OpenedBlocks, wait: boolean): Uint8Array | undefined {
    const name = blockName(row)
    this.#used = true
    const known = own.get(name) ?? this.#recent.use(name)
    if (known !== undefined) return to <= known.length ? known.subarray(from, to) : undefined
    const part = this.#parts.open(name, row, from, to, wait)
    if (part !== undefined) this.#store.touch(row.digest)
    return part
  }

  /** Frees the memory of opened blocks when none was used since the last call. */
  rest(): void {
    if (!this.#used) {
      this.#recent.clear()
      this.#parts.clear()
      this.#scratch.clear()
      this.#cachedScratch.clear()
    }
    this.#used = false
  }

  isOpened(row: BlockRef): boolean {
    const name = blockName(row)
    return this.#recent.has(name) || this.#loading.has(name)
  }

  /**
   * Reads the blocks of all rows: local ones from disk, the others in one request. Rejects with OFFLINE, CORRUPT,
   * ABORTED.
   * @param own holds the blocks, until the reader releases it
   * @param inParts local blocks may be left out of `own` if `openPartNow` can then read them; the caller tries that
   * first
   */
  async load(rows: readonly BlockRef[], own?: OpenedBlocks, caller?: Caller, inParts = false): Promise<void> {
    const work = this.#loadAll(rows, own, inParts && this.#core.parts !== undefined)
    await (caller === undefined ? work : unlessAborted(work, caller.signal))
  }

  /**
   * Starts to load blocks that were not requested yet. A later request reports failures.
   * @returns the number of blocks started, from the first on
   */
  prefetch(rows: readonly BlockRef[]): number {
    const some = rows.slice(0, MOST_AHEAD - this.#ahead)
    if (some.length === 0) return 0
    this.#ahead += some.length
    const done = (): void => {
      // Prefetch errors are ignored; the read itself will report them.
      this.#ahead -= some.length
    }
    this.#loadAll(some).then(done, done)
    return some.length
  }

  async #loadAll(rows: readonly BlockRef[], own?: OpenedBlocks, inParts = false): Promise<void> {
    const waits: Promise<void>[] = []
    const absent: { row: BlockRef; name: string; settle: Deferred<OpenedBlock> }[] = []
    for (const row of rows) {
      const name = blockName(row)
      const known = this.#recent.peek(name)
      if (known !== undefined) {
        own?.hold(name, known)
        continue
      }
      let loading = this.#loading.get(name)
      if (loading === undefined) {
        const isLocal = this.#store.has(row.digest)
        if (isLocal && inParts) {
          waits.push(this.#loadParts(row, name, own))
          continue
        }
        if (isLocal) loading = this.#share(name, this.#loadLocal(row, name))
        else {
          const settle = deferred<OpenedBlock>()
          settle.promise.catch(() => {
            // Waiting readers handle the failure of their own copy of the promise.
          })
          absent.push({ row, name, settle })
          loading = this.#share(name, settle.promise)
        }
      }
      waits.push(loading.then((block) => own?.hold(name, block)))
    }
    if (absent.length > 0) void this.#fetch(absent)
    await Promise.all(waits)
  }

  #share(name: string, loading: Promise<OpenedBlock>): Promise<OpenedBlock> {
    this.#loading.set(name, loading)
    const done = (): void => {
      this.#loading.delete(name)
    }
    loading.then(done, done)
    return loading
  }

  /**
   * Prepares `openPartNow`: verifies the block and brings its bytes into the page cache. If that fails, reads the whole
   * block into `own`.
   */
  async #loadParts(row: BlockRef, name: string, own: OpenedBlocks | undefined): Promise<void> {
    const isChecked = await this.#cachedScratch.with(async (scratch) => {
      const sealed = await this.#store.read(row.digest, scratch)
      return sealed !== undefined && this.#parts.check(name, row, sealed) !== undefined
    })
    if (isChecked) return
    const block = await this.#loadLocal(row, name)
    own?.hold(name, block)
  }

  async #loadLocal(row: BlockRef, name: string): Promise<OpenedBlock> {
    const block = await this.#scratch.with((scratch) => this.#openLocal(row, name, scratch))
    if (block !== undefined) return block
    const [fetched] = await this.#remote.fetchBlocks([row.digest])
    return this.#recent.open(name, row.key, fetched!)
  }

  async #openLocal(row: BlockRef, name: string, scratch: Uint8Array): Promise<OpenedBlock | undefined> {
    const sealed = await this.#store.read(row.digest, scratch)
    if (sealed !== undefined) {
      try {
        const block = this.#recent.open(name, row.key, sealed)
        this.#store.touch(row.digest)
        return block
      } catch (error) {
        if (!isDriveError(error, 'CORRUPT')) throw error
        this.#log.error('a local block is damaged; asking the nodes for it')
      }
    }
    return undefined
  }

  async #fetch(absent: readonly { row: BlockRef; name: string; settle: Deferred<OpenedBlock> }[]): Promise<void> {
    try {
      const digests = absent.map(({ row }) => row.digest)
      const sealed = await this.#remote.fetchBlocks(digests)
      this.#keepFetched(digests, sealed)
      absent.forEach(({ row, name, settle }, i) => {
        try {
          settle.resolve(this.#recent.open(name, row.key, sealed[i]!))
        } catch (error) {
          settle.reject(asError(error))
        }
      })
    } catch (error) {
      for (const { settle } of absent) settle.reject(asError(error))
    }
  }

  /** Keeps fetched blocks. A full disk must not make a read fail. */
  #keepFetched(digests: readonly Digest[], sealed: readonly Uint8Array[]): void {
    try {
      const fetched = sealed.map((bytes, i) => ({ digest: digests[i]!, bytes }))
      this.#blocks.keepFetched(fetched)
    } catch (error) {
      this.#log.warn('fetched blocks could not be kept', { code: isDriveError(error) ? error.code : 'INTERNAL' })
    }
  }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new DriveError('INTERNAL', String(error)))
