/** What every part of the tree shares: tables, counters of the open state, time, and the parts themselves. */
import type { Clock, Log, Random, SecretKey } from '../base/index.js'
import { toWire } from '../base/index.js'
import type { Core, Pipeline } from '../pipeline/index.js'
import { TABLES, encodeRemoved, removedKey } from '../tree-state/index.js'
import type { BlockStore } from '../storage/blocks/index.js'
import type { Environment, Table } from '../storage/kv/index.js'
import type { RemoteSource, RemovedRecord } from '../tree-state/index.js'
import type { ApplyGate } from './staging/apply-gate.js'
import type { ChunkReader } from './content/chunk-reader.js'
import type { HeldMemory } from './staging/held-memory.js'
import type { SealQueue } from './staging/seal-queue.js'
import type { Directories } from './namespace/directory.js'
import type { Committer } from './staging/committer.js'
import type { Inode } from './inodes/inode.js'
import type { InodeTable } from './inodes/inode-table.js'
import type { RemoteDirectories } from './namespace/remote-directory.js'
import { Room, type SpaceGuard } from './staging/space.js'
import type { Invalidation, Timestamp } from './tree.js'

export interface MetaTables {
  readonly inodes: Table
  readonly dentries: Table
  readonly chunks: Table
  readonly pages: Table
  readonly links: Table
  readonly ids: Table
  readonly dirty: Table
  readonly removed: Table
  readonly state: Table
}

/** Counters kept in step with the tables and written with every commit. */
export interface Counters {
  nextIno: number
  nextRemoved: number
  totalFiles: number
  totalBytes: number
  dirtyInodes: number
  dirtyFiles: number
  unpublishedBytes: number
}

export interface VolumeParts {
  readonly meta: Environment
  readonly blocks: BlockStore
  readonly pipeline: Pipeline
  readonly core: Core
  readonly remote: RemoteSource
  readonly nameKey: SecretKey
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly space: SpaceGuard
}

export class Volume {
  readonly meta: Environment
  readonly blocks: BlockStore
  readonly pipeline: Pipeline
  readonly core: Core
  readonly remote: RemoteSource
  readonly nameKey: SecretKey
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly space: SpaceGuard
  readonly room: Room
  readonly tables: MetaTables

  /** The open commit sequence. */
  sequence = 1
  published = 0
  counters: Counters = {
    nextIno: 2,
    nextRemoved: 1,
    totalFiles: 0,
    totalBytes: 0,
    dirtyInodes: 0,
    dirtyFiles: 0,
    unpublishedBytes: 0,
  }
  /** Blocks were announced since the last commit of the block index. */
  blocksChanged = false
  /** Blocks that chunk rows written after the commit `since` (of the last freeze in this run) name. */
  named = { since: -1, digests: new Set<string>() }
  /** Blocks that chunk rows written since it was begun to look for blocks to discard name. */
  namedSinceLook: Set<string> | undefined
  lastChangeMs = 0
  lastError: string | undefined
  readonly listeners: ((what: Invalidation) => void)[] = []

  // Set once by openVfs, before anything runs.
  inodes!: InodeTable
  directories!: Directories
  remoteDirectories!: RemoteDirectories
  reader!: ChunkReader
  held!: HeldMemory
  sealing!: SealQueue
  gate!: ApplyGate
  committer!: Committer

  constructor(parts: VolumeParts) {
    this.meta = parts.meta
    this.blocks = parts.blocks
    this.pipeline = parts.pipeline
    this.core = parts.core
    this.remote = parts.remote
    this.nameKey = parts.nameKey
    this.clock = parts.clock
    this.random = parts.random
    this.log = parts.log
    this.space = parts.space
    this.room = new Room(parts.space, () => parts.blocks.usage.usedBytes)
    const open = (name: string): Table => this.meta.table(name, { sealed: true })
    this.tables = {
      inodes: open(TABLES.inodes),
      dentries: open(TABLES.dentries),
      chunks: open(TABLES.chunks),
      pages: open(TABLES.pages),
      links: open(TABLES.links),
      ids: open(TABLES.ids),
      dirty: open(TABLES.dirty),
      removed: open(TABLES.removed),
      state: open(TABLES.state),
    }
  }

  now(): Timestamp {
    const ns = this.clock.nowNs()
    return { sec: Number(ns / 1_000_000_000n), nsec: Number(ns % 1_000_000_000n) }
  }

  /** The published version has this and the tree no longer does; see TABLES.removed. */
  addRemoved(record: RemovedRecord): void {
    this.tables.removed.put(removedKey(this.counters.nextRemoved++), encodeRemoved(record))
  }

  invalidate(what: Invalidation): void {
    for (const listener of this.listeners) listener(what)
  }

  /** A background failure shows in the status until the next success. */
  failed(what: string, error: unknown): void {
    const { code, message } = toWire(error)
    this.lastError = `${what}: ${message}`
    if (code === 'NO_SPACE') this.room.refused(this.held.bytes + this.meta.pendingBytes)
    if (code !== 'INTERNAL' && code !== 'CORRUPT') this.log.warn(what, { code })
    else this.log.error(what, { code, error: message, ...(error instanceof Error && { stack: error.stack }) })
  }
}

/** ctime (and with `modified` also mtime) becomes now; the inode's row is written by the next commit. */
export function stampChange(volume: Volume, inode: Inode, modified: boolean): void {
  const { sec, nsec } = volume.now()
  inode.ctimeSec = sec
  inode.ctimeNsec = nsec
  if (modified) {
    inode.mtimeSec = sec
    inode.mtimeNsec = nsec
  }
  volume.inodes.markChanged(inode)
}
