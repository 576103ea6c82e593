/** A device with the real tree over real storage, and its sync, in one process and one directory. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog, systemClock, systemRandom } from '../../../src/base/index.js'
import { createRecordSealer } from '../../../src/crypto/index.js'
import { type Disk, punchHole, readWithoutWaiting } from '../../../src/platform/index.js'
import { openPipeline } from '../../../src/pipeline/index.js'
import { openBlockStore, openPlacedBlocks } from '../../../src/storage/blocks/index.js'
import { openEnvironment, openEnvironmentReader } from '../../../src/storage/kv/index.js'
import {
  inodeOf,
  LocalBlocks,
  openExisting,
  openSync,
  type OpenedDrive,
  type Sync,
  type SyncSettings,
} from '../../../src/sync/index.js'
import { openVfs, type Tree, type Vfs } from '../../../src/vfs/index.js'
import { TreeByPath } from './tree-by-path.js'
import type { Wrapping, World } from './world.js'

const QUIET: Partial<SyncSettings> = {
  debounceMs: 3_600_000,
  maxDelayMs: 3_600_000,
  firstRetryMs: 3_600_000,
}

export class RealDevice extends TreeByPath {
  #path = mkdtempSync(join(tmpdir(), 'dagdrive-device-'))
  #vfs: Vfs | undefined
  #close: (() => Promise<void>)[] = []
  sync!: Sync

  private constructor(
    private readonly world: World,
    private readonly opened: OpenedDrive | undefined,
    private readonly slot: number,
    private readonly space?: Disk,
    private readonly shares = false,
  ) {
    super()
  }

  /**
   * @param space free space of the disk; unlimited by default
   * @param shares whether the node's store may share the segments of the cache (S-186)
   */
  static async first(world: World, space?: Disk, shares?: boolean): Promise<RealDevice> {
    const device = new RealDevice(world, undefined, 0, space, shares)
    await device.open()
    return device
  }

  static async next(world: World): Promise<RealDevice> {
    const opened = await openExisting(world)
    const device = new RealDevice(world, opened, opened.deviceSlot)
    await device.open()
    return device
  }

  get tree(): Tree {
    return this.#vfs!.tree
  }

  get unnamed(): Vfs['unnamed'] {
    return this.#vfs!.unnamed
  }

  get port(): Vfs['port'] {
    return this.#vfs!.port
  }

  async open(wrap: (vfs: Vfs['port']) => Pick<Wrapping, 'node' | 'port'> = () => ({})): Promise<void> {
    const { keys, core } = this.world
    const sealer = createRecordSealer(keys.localKey, systemRandom)
    const meta = openEnvironment({ path: join(this.#path, 'meta'), sealer, log: silentLog })
    const queue = openEnvironment({ path: join(this.#path, 'queue'), sealer, log: silentLog })
    const blocks = await openBlockStore({
      directory: join(this.#path, 'blocks'),
      log: silentLog,
      fileCalls: { punchHole, readWithoutWaiting },
    })
    const pipeline = openPipeline({
      segmentDirectory: blocks.segmentDirectory,
      keys,
      workers: 1,
      findDuplicate: (dedupId) => blocks.findDuplicate(dedupId),
    })
    const late: { sync?: Sync } = {}
    const vfs = await openVfs({
      meta,
      blocks,
      pipeline,
      core,
      remote: {
        fetchBlocks: (digests, signal) => late.sync!.remote.fetchBlocks(digests, signal),
        loadDirectory: (from, signal) => late.sync!.remote.loadDirectory(from, signal),
        loadChunks: (from, signal) => late.sync!.remote.loadChunks(from, signal),
      },
      nameKey: keys.nameKey,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      ...(this.space && { disk: this.space }),
      tellSync: () => late.sync?.changed(),
      freshRoot: this.opened === undefined ? { uid: 0, gid: 0, mode: 0o777 } : { record: inodeOf(this.opened.root) },
    })
    this.#vfs = vfs
    const reader = openEnvironmentReader(join(this.#path, 'meta'), sealer)
    const wrapped = wrap(vfs.port)
    const port = wrapped.port ?? vfs.port
    const sync = await openSync({
      port,
      blocks: new LocalBlocks(
        this.shares ? port : { placesOf: (digests) => port.placesOf(digests) },
        openPlacedBlocks(join(this.#path, 'blocks')),
      ),
      meta: reader,
      queue,
      node: wrapped.node ?? this.world.node,
      keys,
      deviceSlot: this.slot,
      deviceName: `device ${this.slot}`,
      core,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      ...(this.opened && { start: this.opened }),
      settings: QUIET,
    })
    this.sync = late.sync = sync
    this.#close = [
      () => sync.close(),
      () => queue.commit(),
      () => vfs.close(),
      () => pipeline.close(),
      () => blocks.close(),
      () => reader.close(),
      () => queue.close(),
      () => meta.close(),
    ]
  }

  async close(): Promise<void> {
    for (const close of this.#close.splice(0)) await close()
  }

  /** Simulates a kill and a restart from the current state of the disk. */
  async kill(): Promise<void> {
    const copy = mkdtempSync(join(tmpdir(), 'dagdrive-device-'))
    cpSync(this.#path, copy, { recursive: true, filter: (from) => !from.endsWith('lock.mdb') })
    for (const close of this.#close.splice(0)) await close().catch(() => undefined)
    rmSync(this.#path, { recursive: true, force: true })
    this.#path = copy
    await this.open()
  }

  remove(): void {
    rmSync(this.#path, { recursive: true, force: true })
  }
}
