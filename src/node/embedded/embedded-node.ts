/**
 * The embedded node: blocks, pins and name records in a directory of this machine or of a disk plugged into it, without
 * a daemon and without a network. Only one process uses it at a time.
 */
import { join } from 'node:path'
import { DriveError, equalBytes, throwIfAborted, type Clock, sharedAbort } from '../../base/index.js'
import { abortable } from '../abortable.js'
import { withAnySignal } from '../any-signal.js'
import { cidOf, parseCid, type Cid } from '../../dag/index.js'
import type {
  CallOptions,
  CidText,
  CollectOptions,
  ImportResult,
  IpfsNode,
  NodeBlock,
  NodeCapabilities,
  NodeStatus,
} from '../contract.js'
import { checkRecord, divergedRecord, mayReplace, requireSigned } from '../name-rules.js'
import { importBlocks } from './block-import.js'
import { BlockSource } from './block-source.js'
import { collectGarbage, LEAST_GARBAGE_BYTES } from './collect-garbage.js'
import { BlockSharing } from './sharing/share-blocks.js'
import { SharedLock } from './shared-lock.js'
import { storeError } from './store-error.js'
import { openStore, type OpenStore, type OpenStoreOptions } from './open-store.js'
import { absentFrom, findMissing, findMissingSince } from './walk.js'

/** Automatic garbage scans take at most this fraction (one in N) of the time. */
const PAUSES = 50
const MOST_PAUSE_MS = 300_000

export interface EmbeddedOptions extends OpenStoreOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** The drive's data folder; its own store is in `node` below it. */
  readonly dataDirectory: string
}

/**
 * LOCKED when another program uses the store.
 * @param path the store's directory; it is made if its parent exists. See `IpfsNode.abandon`
 */
export async function openEmbeddedNode(path: string, options: EmbeddedOptions): Promise<IpfsNode> {
  const isOfDrive = path === join(options.dataDirectory, 'node')
  return new EmbeddedNode(path, await openStore(path, { ...options, isOfDrive }), options)
}

class EmbeddedNode implements IpfsNode {
  readonly capabilities: NodeCapabilities
  readonly #where: string
  readonly #store: OpenStore
  readonly #options: EmbeddedOptions
  readonly #use = new SharedLock()
  readonly #nameUse = new SharedLock()
  readonly #source: BlockSource
  /** For the drive's own store. */
  readonly #sharing: BlockSharing | undefined
  /** Aborts running imports, pins and collections, so `close` need not wait for a stuck source. */
  readonly #closing = sharedAbort()
  /** A garbage scan takes as long as a walk of the trees, so slow scans are rare. */
  #nextLookMs = -Infinity
  #closed = false
  #isAbandoned = false

  constructor(where: string, store: OpenStore, options: EmbeddedOptions) {
    this.#where = where
    this.capabilities = { isOwnStore: true, isBesideData: where === join(options.dataDirectory, 'node') }
    this.#store = store
    this.#source = new BlockSource(store.index, store.segments)
    this.#options = options
    if (this.capabilities.isBesideData) this.#sharing = new BlockSharing(store.segments, 2 * store.space.segmentBytes)
  }

  async importBlocks(
    blocks: AsyncIterable<NodeBlock> | Iterable<NodeBlock>,
    options: Parameters<IpfsNode['importBlocks']>[1],
  ): Promise<ImportResult> {
    const { cache } = options
    const sharing = this.#sharing
    const share = cache && sharing && ((some: readonly NodeBlock[]) => sharing.share(some, cache))
    return this.#work(options, (signal) =>
      this.#use.shared(
        () =>
          importBlocks(abortable(blocks, signal), this.#store.segments, this.#store.index, {
            ...options,
            signal,
            holds: (digest) => this.#source.holds(digest),
            share,
            requireSpace: (bytes) => this.#store.space.require(bytes),
            onStored: (digests) => this.#source.stored(digests),
          }),
        signal,
      ),
    )
  }

  async getBlock(cid: CidText, options?: CallOptions): Promise<Uint8Array> {
    return this.#run(options, () => this.#source.read(parseCid(cid)))
  }

  async missing(cids: readonly CidText[], options?: CallOptions): Promise<CidText[]> {
    return this.#run(options, () => absentFrom(this.#source, cids, options))
  }

  async pin(cid: CidText, options: CallOptions & { name: string }): Promise<void> {
    await this.#work(options, (signal) =>
      this.#use.shared(async () => {
        refuseHole(cid, await findMissing(this.#source, parseCid(cid), { signal }))
        await this.#store.index.commit({ pinned: { cid, name: options.name } })
      }, signal),
    )
  }

  async updatePin(from: CidText, to: CidText, options?: CallOptions): Promise<void> {
    await this.#work(options, (signal) =>
      this.#use.shared(async () => {
        const { index } = this.#store
        const name = index.pinName(from)
        if (name === undefined && index.pinName(to) !== undefined) return
        if (name === undefined)
          throw new DriveError('NOT_FOUND', 'The pin to update does not exist.', { about: { cid: from } })
        if (from === to) return
        refuseHole(to, await findMissingSince(this.#source, parseCid(from), parseCid(to), { signal }))
        await index.commit({ pinned: { cid: to, name } })
      }, signal),
    )
  }

  async unpin(cid: CidText, options?: CallOptions): Promise<void> {
    const forget = (): Promise<void> => this.#store.index.commit({ unpinned: cid })
    await this.#work(options, (signal) => this.#use.shared(forget, signal))
  }

  async listPins(options?: CallOptions & { readonly name?: string }): Promise<{ cid: CidText; name: string }[]> {
    const wanted = options?.name
    return this.#run(options, async () =>
      this.#store.index.pins().filter(({ name }) => wanted === undefined || name === wanted),
    )
  }

  async putName(name: CidText, bytes: Uint8Array, options?: CallOptions): Promise<void> {
    await this.#run(options, () =>
      this.#nameUse.alone(async () => {
        const record = checkRecord(name, bytes)
        const held = this.#store.index.record(name)
        if (held !== undefined && equalBytes(held, bytes)) return
        if (held !== undefined && !mayReplace(name, held, record)) throw divergedRecord(name)
        await this.#store.index.commit({ record: { name, bytes } })
      }),
    )
  }

  async getName(name: CidText, options?: CallOptions): Promise<Uint8Array> {
    return this.#run(options, async () => {
      const record = this.#store.index.record(name)
      if (record === undefined && this.#store.index.areRootsIncomplete)
        throw new DriveError('NODE_ERROR', 'The block store is damaged: its name records cannot be read.')
      if (record === undefined)
        throw new DriveError('NOT_FOUND', 'The node has no record for that name.', { about: { name } })
      requireSigned(name, record)
      return record
    })
  }

  async collectGarbage(options: CallOptions & CollectOptions = {}): Promise<{ removedBlocks: number }> {
    const { index, segments, space } = this.#store
    const { clock } = this.#options
    const isLook = options.leastShare !== undefined
    if (isLook && (segments.usedBytes < LEAST_GARBAGE_BYTES || clock.monotonicMs() < this.#nextLookMs))
      return { removedBlocks: 0 }
    return this.#work(options, (signal) => {
      const collect = async (): Promise<{ removedBlocks: number }> => {
        const begunMs = clock.monotonicMs()
        const withReserve = <T>(work: () => Promise<T>): Promise<T> => space.withReserve(work)
        const store = { index, segments, source: this.#source, withReserve }
        const done = await collectGarbage(store, { ...options, signal })
        const nowMs = clock.monotonicMs()
        // No pause follows a collection that freed enough.
        const pauseMs = done.removedBlocks > 0 ? 0 : Math.min(MOST_PAUSE_MS, PAUSES * (nowMs - begunMs))
        this.#nextLookMs = nowMs + pauseMs
        return done
      }
      return this.#use.alone(collect, signal)
    })
  }

  async check(options?: CallOptions): Promise<NodeStatus> {
    return this.#run(options, async () => {
      await this.#store.probe()
      return {
        kind: this.capabilities.isBesideData ? 'embedded' : 'folder',
        where: this.#where,
        sameMachine: true,
        version: this.#options.version ?? '0',
        peerId: undefined,
        blocks: this.#store.index.blockCount,
        bytes: this.#store.segments.usedBytes,
      }
    })
  }

  async probe(options?: CallOptions): Promise<void> {
    await this.#run(options, () => this.#store.probe())
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#closing.abort(new DriveError('OFFLINE', 'The block store was closed.'))
    await this.#use.alone(() => this.#store.close(this.#isUnused))
  }

  abandon(): void {
    this.#isAbandoned = true
  }

  get #isUnused(): boolean {
    const { index } = this.#store
    const hasRoots = index.areRootsIncomplete || index.pins().length > 0 || index.records().size > 0
    return this.#isAbandoned && !hasRoots
  }

  /** Runs a long call that the caller or `close` can cancel. */
  #work<T>(options: CallOptions | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#run(options, () => withAnySignal([options?.signal, this.#closing.signal], work))
  }

  async #run<T>(options: CallOptions | undefined, work: () => Promise<T>): Promise<T> {
    throwIfAborted(options?.signal)
    if (this.#closed) throw new DriveError('OFFLINE', 'The block store is closed.', { about: { where: this.#where } })
    try {
      return await work()
    } catch (error) {
      throw storeError(error, this.#where)
    }
  }
}

function refuseHole(root: CidText, missing: Cid | undefined): void {
  if (missing === undefined) return
  throw new DriveError('NODE_ERROR', 'The version on the node is incomplete: a block below its root is missing.', {
    about: { root, missing: cidOf(missing.digest, missing.codec) },
  })
}
