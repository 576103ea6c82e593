/** A device with the real tree over real storage, and its sync, in one process and one directory. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { hex, nameFromText, nameToText, silentLog, systemClock, systemRandom } from '../../../src/base/index.js'
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
import { OPEN, openVfs, ROOT_INO, type Attributes, type Caller, type Tree, type Vfs } from '../../../src/vfs/index.js'
import type { Wrapping, World } from './world.js'

export const caller: Caller = { uid: 0, gid: 0, pid: 1, signal: new AbortController().signal }

const QUIET: Partial<SyncSettings> = {
  debounceMs: 3_600_000,
  maxDelayMs: 3_600_000,
  firstRetryMs: 3_600_000,
}

export class RealDevice {
  #path = mkdtempSync(join(tmpdir(), 'dagdrive-device-'))
  #vfs: Vfs | undefined
  #close: (() => Promise<void>)[] = []
  sync!: Sync

  private constructor(
    private readonly world: World,
    private readonly opened: OpenedDrive | undefined,
    private readonly slot: number,
    private readonly space?: Disk,
  ) {}

  /** @param space free space of the disk; unlimited by default */
  static async first(world: World, space?: Disk): Promise<RealDevice> {
    const device = new RealDevice(world, undefined, 0, space)
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
    const sync = await openSync({
      port: wrapped.port ?? vfs.port,
      blocks: new LocalBlocks(wrapped.port ?? vfs.port, openPlacedBlocks(join(this.#path, 'blocks'))),
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

  // ------------------------------------------------------------ by path

  async find(path: string): Promise<Attributes | undefined> {
    let at: Attributes | undefined = await this.tree.getAttributes(ROOT_INO, caller)
    for (const part of path.split('/').filter((text) => text !== '')) {
      at = await this.tree.lookup(at.ino, nameFromText(part), caller)
      if (at === undefined) return undefined
    }
    return at
  }

  async write(
    path: string,
    offset: number,
    bytes: Uint8Array,
    how: { truncate?: boolean; sync?: boolean } = {},
  ): Promise<void> {
    const { tree } = this
    const flags = OPEN.READ_WRITE | (how.truncate === true ? OPEN.TRUNCATE : 0)
    const known = await this.find(path)
    const { parent, name } = await this.#split(path)
    const opened = known === undefined ? await tree.create(parent, name, 0o644, flags, caller) : undefined
    const ino = known?.ino ?? opened!.attributes.ino
    const { handle } = opened?.opened ?? (await tree.open(ino, flags, caller))
    // Like the kernel without atomic O_TRUNC.
    if (how.truncate === true && known !== undefined) await tree.setAttributes(ino, { size: 0 }, handle, caller)
    for (let at = 0; at < bytes.length; at += 131072) {
      await tree.write(ino, handle, offset + at, bytes.subarray(at, at + 131072), caller)
    }
    if (how.sync === true) await tree.sync(ino, false, caller)
    await tree.flush(ino, handle, caller)
    tree.release(ino, handle)
  }

  async truncate(path: string, size: number): Promise<void> {
    await this.tree.setAttributes((await this.find(path))!.ino, { size }, undefined, caller)
  }

  async makeDirectory(path: string): Promise<void> {
    const { parent, name } = await this.#split(path)
    await this.tree.makeDirectory(parent, name, 0o755, caller)
  }

  async symlink(path: string, target: string): Promise<void> {
    const { parent, name } = await this.#split(path)
    await this.tree.makeSymlink(parent, name, Buffer.from(target), caller)
  }

  async unlink(path: string): Promise<void> {
    const { parent, name } = await this.#split(path)
    await this.tree.unlink(parent, name, caller)
  }

  async removeDirectory(path: string): Promise<void> {
    const { parent, name } = await this.#split(path)
    await this.tree.removeDirectory(parent, name, caller)
  }

  async link(from: string, to: string): Promise<void> {
    const { parent, name } = await this.#split(to)
    await this.tree.link((await this.find(from))!.ino, parent, name, caller)
  }

  async rename(from: string, to: string, flags = 0): Promise<void> {
    const [a, b] = [await this.#split(from), await this.#split(to)]
    await this.tree.rename({ parent: a.parent, name: a.name }, { parent: b.parent, name: b.name }, flags, caller)
  }

  async chmod(path: string, mode: number): Promise<void> {
    await this.tree.setAttributes((await this.find(path))!.ino, { mode }, undefined, caller)
  }

  /** Every path with its visible attributes and content. */
  async dump(): Promise<Record<string, string>> {
    const out: Record<string, string> = {}
    const walk = async (ino: number, path: string): Promise<void> => {
      const a = await this.tree.getAttributes(ino, caller)
      const type = a.mode & 0o170000
      const body =
        type === 0o100000
          ? await this.#hash(ino, a.size)
          : type === 0o120000
            ? String(await this.tree.readLink(ino, caller))
            : ''
      out[path] = [a.mode.toString(8), a.nlink, a.uid, a.size, a.mtimeSec, a.mtimeNsec, a.btimeNsec, body].join(' ')
      if (type !== 0o040000) return
      const { handle } = await this.tree.openDirectory(ino, caller)
      const found: { ino: number; name: string }[] = []
      await this.tree.readDirectory(
        ino,
        handle,
        {
          cookie: 0,
          withAttributes: false,
          visit: (entry) => found.push({ ino: entry.ino, name: nameToText(entry.name) }) > 0,
        },
        caller,
      )
      this.tree.releaseDirectory(ino, handle)
      for (const entry of found) await walk(entry.ino, `${path}/${entry.name}`)
    }
    await walk(ROOT_INO, '')
    return Object.fromEntries(Object.entries(out).sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  async #hash(ino: number, size: number): Promise<string> {
    const { handle } = await this.tree.open(ino, OPEN.READ_ONLY, caller)
    const hash = createHash('sha256')
    for (let at = 0; at < size; at += 131072) {
      const views = await this.tree.read(ino, handle, at, Math.min(131072, size - at), caller)
      for (const view of views) hash.update(view)
    }
    this.tree.release(ino, handle)
    return hex(hash.digest()).slice(0, 16)
  }

  async #split(path: string): Promise<{ parent: number; name: ReturnType<typeof nameFromText> }> {
    const parts = path.split('/')
    const parent = await this.find(parts.slice(0, -1).join('/'))
    return { parent: parent!.ino, name: nameFromText(parts.at(-1)!) }
  }
}
