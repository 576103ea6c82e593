/**
 * Plaintext of chunks: a small cache of opened blocks, the local store, then the nodes. Requests for one block are
 * shared; blocks that come from a node are kept in the store.
 */
import { DriveError, isDriveError, MIB, unlessAborted, type Digest, type Log } from '../../base/index.js'
import type { ChunkRecord, RemoteSource } from '../../tree-state/index.js'
import type { Caller } from '../tree.js'
import { PartReader } from './part-reader.js'
import type { Core } from '../../pipeline/index.js'
import type { BlockStore } from '../../storage/blocks/index.js'
import type { TreeBlocks } from '../staging/tree-blocks.js'

/** Where plaintext comes from. */
export interface ChunkReaderParts {
  readonly blocks: TreeBlocks
  readonly core: Core
  readonly remote: Pick<RemoteSource, 'fetchBlocks'>
  readonly log: Log
}

const OPENED_BYTES = 32 * MIB
/** Buffers kept for sealed blocks on their way from the disk, 1 MiB each. */
const MOST_SCRATCH = 8
/** Blocks on their way in advance, for all readers together: each takes a buffer of 1 MiB meanwhile. */
const MOST_AHEAD = 32

/** Opened blocks by digest and key; a reader keeps its own while it needs them, whatever the cache drops. */
export type OpenedBlocks = Map<string, Uint8Array>
type Block = Pick<ChunkRecord, 'digest' | 'key'>

export class ChunkReader {
  readonly #blocks: TreeBlocks
  readonly #store: BlockStore
  readonly #core: Core
  readonly #remote: Pick<RemoteSource, 'fetchBlocks'>
  readonly #log: Log
  readonly #opened: OpenedBlocks = new Map()
  readonly #loading = new Map<string, Promise<Uint8Array>>()
  readonly #parts: PartReader
  /** Filled past the page cache. */
  readonly #scratch: Uint8Array[] = []
  /** Filled through it. */
  readonly #cachedScratch: Uint8Array[] = []
  readonly #sealed = Buffer.allocUnsafeSlow(MIB)
  #bytes = 0
  #ahead = 0
  #used = false

  constructor(parts: ChunkReaderParts) {
    this.#blocks = parts.blocks
    this.#store = parts.blocks.store
    this.#core = parts.core
    this.#remote = parts.remote
    this.#log = parts.log
    this.#parts = new PartReader(parts.blocks.store, parts.core)
  }

  /** The plaintext when it is at hand without waiting for disk or network. */
  openNow(row: Block, own?: OpenedBlocks): Uint8Array | undefined {
    const name = nameOf(row)
    this.#used = true
    const known = own?.get(name) ?? this.#recent(name)
    if (known !== undefined) return known
    const sealed = this.#store.readNow(row.digest, false, this.#sealed)
    if (sealed === undefined) return undefined
    this.#store.touch(row.digest)
    try {
      return this.#keep(name, this.#core.openLeaf(sealed, row.key))
    } catch (error) {
      // A damaged local copy: `load` asks a node for another one.
      if (isDriveError(error, 'CORRUPT')) return undefined
      throw error
    }
  }

  /**
   * Plaintext bytes `from … to` of a block, for readers that want no more of it. Undefined when they are not at hand,
   * or when opening parts is not possible: `openNow` and `load` are the way then.
   * @param wait the disk may be waited for
   */
  openPartNow(row: Block, from: number, to: number, own: OpenedBlocks, wait: boolean): Uint8Array | undefined {
    const name = nameOf(row)
    this.#used = true
    const known = own.get(name) ?? this.#recent(name)
    if (known !== undefined) return to <= known.length ? known.subarray(from, to) : undefined
    const part = this.#parts.open(name, row, from, to, wait)
    if (part !== undefined) this.#store.touch(row.digest)
    return part
  }

  /** Gives the memory of opened blocks back when none was used since the last call. */
  rest(): void {
    if (!this.#used) {
      this.#opened.clear()
      this.#parts.clear()
      this.#scratch.length = 0
      this.#cachedScratch.length = 0
      this.#bytes = 0
    }
    this.#used = false
  }

  isOpened(row: Block): boolean {
    const name = nameOf(row)
    return this.#opened.has(name) || this.#loading.has(name)
  }

  /**
   * Reads all rows' blocks into `own`, local ones from disk, the others in one request. Rejects with OFFLINE, CORRUPT,
   * ABORTED.
   * @param inParts local ones need not be in `own` if `openPartNow` can answer then, which is to be tried first
   */
  async load(rows: readonly Block[], own: OpenedBlocks, caller?: Caller, inParts = false): Promise<void> {
    const work = this.#loadAll(rows, own, inParts && this.#core.parts !== undefined)
    await (caller === undefined ? work : unlessAborted(work, caller.signal))
  }

  /**
   * Begins to load blocks nobody asked for yet; failures show when they are asked for.
   * @returns how many, from the first on
   */
  prefetch(rows: readonly Block[]): number {
    const some = rows.slice(0, MOST_AHEAD - this.#ahead)
    if (some.length === 0) return 0
    this.#ahead += some.length
    const done = (): void => {
      // Reading in advance is a favour; the read itself will report.
      this.#ahead -= some.length
    }
    this.#loadAll(some, new Map()).then(done, done)
    return some.length
  }

  async #loadAll(rows: readonly Block[], own: OpenedBlocks, inParts = false): Promise<void> {
    const waits: Promise<void>[] = []
    const absent: { row: Block; name: string; settle: Deferred }[] = []
    for (const row of rows) {
      const name = nameOf(row)
      const known = this.#opened.get(name)
      if (known !== undefined) {
        own.set(name, known)
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
          const settle = deferred()
          absent.push({ row, name, settle })
          loading = this.#share(name, settle.promise)
        }
      }
      waits.push(
        loading.then((plain) => {
          own.set(name, plain)
        }),
      )
    }
    if (absent.length > 0) void this.#fetch(absent)
    await Promise.all(waits)
  }

  #share(name: string, loading: Promise<Uint8Array>): Promise<Uint8Array> {
    this.#loading.set(name, loading)
    const done = (): void => {
      this.#loading.delete(name)
    }
    loading.then(done, done)
    return loading
  }

  /**
   * Makes openPartNow possible: the block checked, and its bytes in the page cache. Otherwise the whole goes into
   * `own`.
   */
  async #loadParts(row: Block, name: string, own: OpenedBlocks): Promise<void> {
    const isChecked = await withScratch(
      this.#cachedScratch,
      () => Buffer.allocUnsafeSlow(MIB),
      async (scratch) => {
        const sealed = await this.#store.read(row.digest, scratch)
        return sealed !== undefined && this.#parts.check(name, row, sealed) !== undefined
      },
    )
    if (!isChecked) own.set(name, await this.#loadLocal(row, name))
  }

  async #loadLocal(row: Block, name: string): Promise<Uint8Array> {
    const make = (): Uint8Array => this.#store.scratch(MIB)
    const plain = await withScratch(this.#scratch, make, (scratch) => this.#openLocal(row, name, scratch))
    if (plain !== undefined) return plain
    const [fetched] = await this.#remote.fetchBlocks([row.digest])
    return this.#keep(name, this.#core.openLeaf(fetched!, row.key))
  }

  async #openLocal(row: Block, name: string, scratch: Uint8Array): Promise<Uint8Array | undefined> {
    const sealed = await this.#store.read(row.digest, scratch)
    if (sealed !== undefined) {
      try {
        const plain = this.#keep(name, this.#core.openLeaf(sealed, row.key))
        this.#store.touch(row.digest)
        return plain
      } catch (error) {
        if (!isDriveError(error, 'CORRUPT')) throw error
        this.#log.error('a local block is damaged; asking the nodes for it')
      }
    }
    return undefined
  }

  async #fetch(absent: readonly { row: Block; name: string; settle: Deferred }[]): Promise<void> {
    try {
      const digests = absent.map(({ row }) => row.digest)
      const sealed = await this.#remote.fetchBlocks(digests)
      this.#keepFetched(digests, sealed)
      absent.forEach(({ row, name, settle }, i) => {
        try {
          settle.resolve(this.#keep(name, this.#core.openLeaf(sealed[i]!, row.key)))
        } catch (error) {
          settle.reject(asError(error))
        }
      })
    } catch (error) {
      for (const { settle } of absent) settle.reject(asError(error))
    }
  }

  /** Keeps fetched blocks; a full disk does not keep anyone from reading. */
  #keepFetched(digests: readonly Digest[], sealed: readonly Uint8Array[]): void {
    try {
      const fetched = sealed.map((bytes, i) => ({ digest: digests[i]!, bytes }))
      this.#blocks.keepFetched(fetched)
    } catch (error) {
      this.#log.warn('fetched blocks could not be kept', { code: isDriveError(error) ? error.code : 'INTERNAL' })
    }
  }

  #recent(name: string): Uint8Array | undefined {
    const plain = this.#opened.get(name)
    if (plain !== undefined) {
      this.#opened.delete(name)
      this.#opened.set(name, plain)
    }
    return plain
  }

  #keep(name: string, plain: Uint8Array): Uint8Array {
    if (!this.#opened.has(name)) {
      this.#opened.set(name, plain)
      this.#bytes += plain.length
      for (const [oldest, bytes] of this.#opened) {
        if (this.#bytes <= OPENED_BYTES || oldest === name) break
        this.#opened.delete(oldest)
        this.#bytes -= bytes.length
      }
    }
    return plain
  }
}

async function withScratch<T>(
  pool: Uint8Array[],
  make: () => Uint8Array,
  use: (scratch: Uint8Array) => Promise<T>,
): Promise<T> {
  const scratch = pool.pop() ?? make()
  try {
    return await use(scratch)
  } finally {
    if (pool.length < MOST_SCRATCH) pool.push(scratch)
  }
}

interface Deferred {
  readonly promise: Promise<Uint8Array>
  resolve(plain: Uint8Array): void
  reject(error: Error): void
}

function deferred(): Deferred {
  let resolve!: (plain: Uint8Array) => void
  let reject!: (error: Error) => void
  const promise = new Promise<Uint8Array>((yes, no) => {
    resolve = yes
    reject = no
  })
  promise.catch(() => {
    // Readers that wait have their own copy of the promise.
  })
  return { promise, resolve, reject }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new DriveError('INTERNAL', String(error)))

/** With the key: bytes opened with another one are another plaintext, or none at all. */
const nameOf = ({ digest, key }: Block): string => latin1(digest) + latin1(key)

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
