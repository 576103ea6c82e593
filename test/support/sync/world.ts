/** A node on disk, the devices around it, and queries for tests. */
import type { ExecutionContext } from 'ava'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hex, seededRandom, silentLog, systemClock, type Clock } from '../../../src/base/index.js'
import { createRootKey, deriveDriveKeys, type DriveKeys } from '../../../src/crypto/index.js'
import { type EntryRecord, type FetchBlock } from '../../../src/dag/index.js'
import { openNode, type IpfsNode, type OpenNodeOptions } from '../../../src/node/index.js'
import { createCore, type Core } from '../../../src/pipeline/index.js'
import type { DrivePort } from '../../../src/tree-state/index.js'
import { type Environment, pagesOf } from '../../../src/storage/kv/index.js'
import type { OpenedDrive, Sync, SyncSettings } from '../../../src/sync/contract.js'
import type { LocalBlockReader } from '../../../src/sync/fetch/local-blocks.js'
import { NodeReader } from '../../../src/sync/fetch/node-reader.js'
import { findDrive, openExisting } from '../../../src/sync/fetch/open-existing.js'
import { decodeCount } from '../../../src/commits/index.js'
import { beginAt } from '../../../src/sync/publish/prepare.js'
import { createRemoteSource } from '../../../src/sync/fetch/remote-source.js'
import { openSync } from '../../../src/sync/sync.js'
import { SyncState } from '../../../src/sync/state/sync-state.js'
import { beginTakeOver, finishTakeOver } from '../../../src/sync/fetch/take-over.js'
import { LocalDrive } from './local-drive.js'
import { MemoryEnvironment } from './memory-environment.js'
import { pinTreeOf, usesOf } from './version-uses.js'

export type TestRandom = ReturnType<typeof seededRandom>

/** Short enough for tests. Nothing is published automatically. */
const QUIET: Partial<SyncSettings> = {
  debounceMs: 3_600_000,
  maxDelayMs: 3_600_000,
  leastIntervalMs: 20,
  firstRetryMs: 3_600_000,
}

export interface Device {
  readonly drive: LocalDrive
  readonly queue: MemoryEnvironment
  readonly slot: number
  /** Opens sync after closing the previous one. */
  start(wrap?: Wrapping): Promise<Sync>
  stop(): Promise<void>
  /**
   * Does the fast-forward that the daemon does before it opens the tree.
   * @returns whether a version was taken over
   */
  takeOver(wrap?: Pick<Wrapping, 'node' | 'queue'> & { readonly drive?: LocalDrive }): Promise<boolean>
}

/** Wrappers between sync and its parts. */
export interface Wrapping {
  readonly node?: IpfsNode
  readonly port?: DrivePort
  readonly blocks?: LocalBlockReader
  readonly queue?: Environment
  /** If present, sync does not get the version to start from. */
  readonly start?: undefined
  readonly isProvisional?: boolean
  readonly clock?: Clock
  readonly settings?: Partial<SyncSettings>
}

export class World {
  readonly keys: DriveKeys
  readonly core: Core = createCore()
  readonly #directory = mkdtempSync(join(tmpdir(), 'dagdrive-sync-'))
  readonly #devices: Device[] = []
  node!: IpfsNode

  private constructor(readonly random: TestRandom) {
    this.keys = deriveDriveKeys(createRootKey(random))
  }

  /** @param address of a node; by default one on this disk */
  static async open(seed: number, address?: string): Promise<World> {
    const world = new World(seededRandom(seed))
    world.node = address === undefined ? await world.openNode('node') : await openNode(address, world.#nodeOptions)
    return world
  }

  get #nodeOptions(): OpenNodeOptions {
    const timeouts = { blockMs: 2000, workMs: 4000, nameMs: 4000 }
    return { dataDirectory: this.#directory, clock: systemClock, log: silentLog, random: this.random, timeouts }
  }

  openNode(name: string): Promise<IpfsNode> {
    const address = new URL(`file://${join(this.#directory, name)}`).href
    return openNode(address, {
      dataDirectory: this.#directory,
      clock: systemClock,
      log: silentLog,
      random: this.random,
    })
  }

  /** The device that creates the drive. */
  async firstDevice(): Promise<Device> {
    return this.#device(0, undefined)
  }

  /** A device that has only the keys and the node. */
  async nextDevice(): Promise<Device> {
    const opened = await openExisting({ node: this.node, keys: this.keys })
    return this.#device(opened.deviceSlot, opened)
  }

  async #device(slot: number, opened: OpenedDrive | undefined): Promise<Device> {
    const queue = new MemoryEnvironment()
    const drive = await this.#drive(opened?.root)
    let sync: Sync | undefined
    const device: Device = {
      drive,
      queue,
      slot,
      start: async (wrap = {}) => {
        await sync?.close()
        drive.clock = wrap.clock ?? systemClock
        sync = await openSync({
          port: wrap.port ?? drive.port,
          blocks: wrap.blocks ?? drive.localBlocks,
          meta: drive.meta.reader(),
          queue: wrap.queue ?? queue,
          node: wrap.node ?? this.node,
          keys: this.keys,
          deviceSlot: slot,
          deviceName: `device ${slot}`,
          core: this.core,
          clock: wrap.clock ?? systemClock,
          random: this.random,
          log: silentLog,
          isProvisional: wrap.isProvisional === true,
          ...(opened && !('start' in wrap) && { start: opened }),
          settings: { ...QUIET, ...wrap.settings },
        })
        drive.remote = sync.remote
        drive.onChange = () => sync?.changed()
        return sync
      },
      stop: async () => {
        await sync?.close()
        sync = undefined
      },
      takeOver: async (wrap = {}) => {
        await device.stop()
        await drive.shut()
        const where = { queue: wrap.queue ?? queue, openMeta: () => drive.meta, node: wrap.node ?? this.node }
        const who = { keys: this.keys, deviceSlot: slot, core: this.core, clock: systemClock, log: silentLog }
        try {
          const found = await beginTakeOver({ ...where, ...who, signal: new AbortController().signal })
          if (found === undefined) return false
          const target = wrap.drive ?? drive
          await target.wipe()
          await target.create(found.version.commit.root)
          await finishTakeOver(where.queue)
          return true
        } finally {
          await drive.reopen()
        }
      },
    }
    this.#devices.push(device)
    return device
  }

  /** The tree as seen by a device that has only the keys and the node. It changes nothing. */
  async seenElsewhere(): Promise<Record<string, string>> {
    const opened = await openExisting(this)
    const state = new SyncState(new MemoryEnvironment())
    await beginAt(opened, opened.deviceSlot, state)
    const drive = await this.#drive(opened.root)
    const reader = this.#reader()
    drive.remote = createRemoteSource(reader, reader.fetch, state)
    try {
      return await drive.dump()
    } finally {
      await drive.close()
    }
  }

  #drive(root: EntryRecord | undefined): Promise<LocalDrive> {
    return LocalDrive.create({ core: this.core, keys: this.keys, seed: this.random.next(2 ** 31), root })
  }

  get fetch(): FetchBlock {
    return this.#reader().fetch
  }

  #reader(): NodeReader {
    return new NodeReader({ node: this.node, core: this.core, clock: systemClock, concurrentFetches: 8, offlineMs: 0 })
  }

  async close(): Promise<void> {
    for (const device of this.#devices) {
      await device.stop()
      await device.drive.close()
    }
    await this.node.close()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** The live table of sync. */
export function liveOf(device: Device): Map<string, number> {
  const live = new Map<string, number>()
  for (const rows of pagesOf(new SyncState(device.queue).tables.live)) {
    for (const [digest, count] of rows) live.set(hex(digest), decodeCount(count))
  }
  return live
}

/** Asserts that the pin tree, sync's refcounts and a walk of everything published agree exactly. */
export async function assertCountsAreExact(t: ExecutionContext, world: World, device: Device): Promise<void> {
  const { version } = (await findDrive(world))!
  const uses = await usesOf(version, world.fetch)
  t.deepEqual(Object.fromEntries(liveOf(device)), Object.fromEntries(uses))
  t.deepEqual([...(await pinTreeOf(version, world.fetch))].sort(), [...uses.keys()].sort())
  t.is(version.commit.liveBlocks, uses.size)
}
