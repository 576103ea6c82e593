/**
 * The drive of a device, for tests of sync: the real tree over `meta` in memory and a block store on a memory disk. It
 * can be killed, and emptied for a fast-forward.
 */
import { cpSync, existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DriveError, seededRandom, silentLog, systemClock, type Clock, type Digest } from '../../../src/base/index.js'
import type { DriveKeys } from '../../../src/crypto/index.js'
import type { EntryRecord } from '../../../src/dag/index.js'
import { inodeOf } from '../../../src/commits/index.js'
import { punchHole, readWithoutWaiting } from '../../../src/platform/index.js'
import type { Core, Pipeline } from '../../../src/pipeline/index.js'
import { openBlockStore, openPlacedBlocks, type BlockStore } from '../../../src/storage/blocks/index.js'
import { LocalBlocks, type LocalBlockReader } from '../../../src/sync/fetch/local-blocks.js'
import type { DriveCounts, DrivePort, RemoteSource } from '../../../src/tree-state/index.js'
import { openVfs, type Vfs } from '../../../src/vfs/index.js'
import { DriveByPath } from './drive-by-path.js'
import { MemoryEnvironment } from './memory-environment.js'

import { openUnpooledPipeline } from './unpooled-pipeline.js'

const LEAST_ROOM_BYTES = 2 ** 30

export interface LocalDriveOptions {
  readonly core: Core
  readonly keys: DriveKeys
  readonly seed: number
  /** Of a published version; by default the tree is empty. */
  readonly root?: EntryRecord | undefined
}

interface Opened {
  readonly vfs: Vfs
  readonly store: BlockStore
  readonly pipeline: Pipeline
  readonly local: LocalBlocks
  readonly port: DrivePort
}

export class LocalDrive extends DriveByPath {
  remote: RemoteSource | undefined
  clock: Clock = systemClock
  /** See `Sync.changed`. */
  onChange: () => void = () => undefined
  /** Calls of discardUnpublished. */
  discards = 0
  #isShortOfSpace = false
  #meta = new MemoryEnvironment()
  #path = scratchDirectory()
  #opened: Opened | undefined
  #isEmptied = false
  readonly #random

  private constructor(private readonly options: LocalDriveOptions) {
    super()
    this.#random = seededRandom(options.seed)
  }

  static async create(options: LocalDriveOptions): Promise<LocalDrive> {
    const drive = new LocalDrive(options)
    await drive.create(options.root)
    return drive
  }

  /** Its rows; another object after a kill. */
  get meta(): MemoryEnvironment {
    return this.#meta
  }

  get vfs(): Vfs {
    return this.#parts.vfs
  }

  get port(): DrivePort {
    return this.#parts.port
  }

  get localBlocks(): LocalBlockReader {
    return this.#parts.local
  }

  get isShortOfSpace(): boolean {
    return this.#isShortOfSpace
  }

  set isShortOfSpace(isShort: boolean) {
    this.#isShortOfSpace = isShort
    if (isShort) this.onChange()
  }

  // ------------------------------------------------------------ life

  /** Creates an empty tree, or starts from the root of a published version. */
  async create(root?: EntryRecord): Promise<void> {
    this.#isEmptied = false
    await this.#open(root)
  }

  /** Deletes the tree. The first half of a fast-forward. */
  async wipe(): Promise<void> {
    await this.shut()
    this.#meta = new MemoryEnvironment()
    this.#isEmptied = true
  }

  /** Opens the tree again after `shut`, unless there is none. */
  async reopen(): Promise<void> {
    if (this.#opened === undefined && !this.#isEmptied) await this.#open()
  }

  /** Stages everything and closes the tree. */
  async shut(): Promise<void> {
    const opened = this.#opened
    this.#opened = undefined
    if (opened === undefined) return
    opened.local.rest()
    await opened.vfs.close()
    await opened.pipeline.close()
    await opened.store.close()
  }

  /** Simulates the death of the process and the next start: what was not committed is lost. */
  async crash(): Promise<void> {
    const left = this.#meta.committedCopy()
    await this.#opened?.store.commit()
    const path = scratchDirectory()
    cpSync(this.#path, path, { recursive: true, filter: (from) => !from.endsWith('lock.mdb') })
    await this.close()
    this.#path = path
    this.#meta = left
    await this.reopen()
  }

  async close(): Promise<void> {
    await this.shut()
    rmSync(this.#path, { recursive: true, force: true })
  }

  // ------------------------------------------------------------ the port and the blocks

  flush(): Promise<void> {
    return this.port.flush()
  }

  resume(): Promise<void> {
    return this.port.resume()
  }

  counts(): Promise<DriveCounts> {
    return this.port.counts()
  }

  /** Drops every block that may be evicted. */
  async evict(): Promise<void> {
    await this.port.evictTo(0)
  }

  /** How many blocks may not be evicted. */
  get onlyCopies(): number {
    return this.blockCount - this.#parts.store.nextEvicted(0, Infinity).digests.length
  }

  get blockCount(): number {
    return this.#parts.store.usage.blocks
  }

  /** Blocks that may be evicted. */
  get evictable(): Digest[] {
    return this.#parts.store.nextEvicted(0, Infinity).digests
  }

  /** The disk loses a block. */
  lose(digest: Digest): void {
    this.#parts.store.discard([digest])
  }

  // ------------------------------------------------------------ opening

  get #parts(): Opened {
    if (this.#opened === undefined) throw new Error('the drive is not open')
    return this.#opened
  }

  async #open(root?: EntryRecord): Promise<void> {
    const { core, keys } = this.options
    const fileCalls = { punchHole, readWithoutWaiting }
    const store = await openBlockStore({ directory: this.#path, log: silentLog, fileCalls })
    if (root !== undefined) await store.releaseAll()
    const pipeline = openUnpooledPipeline(core, keys, store)
    const vfs = await openVfs({
      meta: this.#meta,
      blocks: store,
      pipeline,
      core,
      remote: this.#remote,
      nameKey: keys.nameKey,
      clock: { ...systemClock, nowMs: () => this.clock.nowMs(), now: () => this.clock.now() },
      random: this.#random,
      log: silentLog,
      tellSync: () => this.onChange(),
      freshRoot: root === undefined ? { uid: 0, gid: 0, mode: 0o777 } : { record: inodeOf(root) },
    })
    const port = this.#withAnswers(vfs.port)
    this.#opened = { vfs, store, pipeline, port, local: new LocalBlocks(port, openPlacedBlocks(this.#path)) }
  }

  get #remote(): RemoteSource {
    const source = (): RemoteSource => {
      if (this.remote === undefined) throw new DriveError('OFFLINE', 'No node is connected.')
      return this.remote
    }
    return {
      fetchBlocks: async (digests, signal) => source().fetchBlocks(digests, signal),
      loadDirectory: async (from, signal) => source().loadDirectory(from, signal),
      loadChunks: async (from, signal) => source().loadChunks(from, signal),
    }
  }

  /** The port, except for what a test says about space. */
  #withAnswers(port: DrivePort): DrivePort {
    const answers: Partial<DrivePort> = {
      counts: async () => ({ ...(await port.counts()), isShortOfSpace: this.#isShortOfSpace }),
      discardUnpublished: async () => {
        this.discards++
        await port.discardUnpublished()
      },
    }
    return new Proxy(port, {
      get: (target, name) => {
        const value = (Reflect.get(answers, name) ?? Reflect.get(target, name)) as unknown
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
  }
}

/** In memory if there is room. */
function scratchDirectory(): string {
  return mkdtempSync(join(hasRoom('/dev/shm') ? '/dev/shm' : tmpdir(), 'dagdrive-drive-'))
}

function hasRoom(path: string): boolean {
  if (!existsSync(path)) return false
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize >= LEAST_ROOM_BYTES
}
