/**
 * Opens the tree over local storage: reads or creates the state, cleans up after a crash, and starts the background
 * work.
 */
import { MIB, type Clock, type Log, type Random, type SecretKey } from '../base/index.js'
import { nativeSeal, type Disk, unlimitedSpace } from '../platform/index.js'
import type { Core, Pipeline } from '../pipeline/index.js'
import type { BlockStore } from '../storage/blocks/index.js'
import type { Environment } from '../storage/kv/index.js'
import { RiskGauge, TYPE, type DrivePort, type InodeRecord, type RemoteSource } from '../tree-state/index.js'
import { ChunkReader } from './chunks/chunk-reader.js'
import { removeContent } from './content/remove-content.js'
import { Changes } from './inodes/changes.js'
import { InodeTable } from './inodes/inode-table.js'
import { EMPTY_DIRECTORY_LINKS, namedLinkCount } from './namespace/link-count.js'
import { FIRST_COOKIE } from './inodes/new-record.js'
import { Invalidations } from './inodes/invalidations.js'
import { FileIds } from './inodes/file-ids.js'
import { TreeIdentities } from './inodes/identities.js'
import { readState, writeClean } from './inodes/state-rows.js'
import { TreeState } from './inodes/tree-state.js'
import { Directories } from './namespace/directories.js'
import { nameHasher } from './namespace/name-hash.js'
import { RemoteDirectories } from './namespace/remote-directory.js'
import { createUnnamedFiles, type UnnamedFiles } from './namespace/unnamed.js'
import { PosixTree } from './posix-tree.js'
import { ApplyGate } from './staging/apply-gate.js'
import { Background } from './background/background.js'
import { Committer } from './staging/committer.js'
import { stageAll } from './staging/stage-all.js'
import { Failures } from './staging/failures.js'
import { HeldMemory } from './staging/held-memory.js'
import { NamedBlocks } from './staging/named-blocks.js'
import { TreePort } from './staging/port.js'
import { recover } from './staging/recovery.js'
import { Removals } from './background/removals.js'
import { SealQueue } from './staging/seal-queue.js'
import { Room } from './staging/space.js'
import { SyncSignal } from './staging/wake-publisher.js'
import { TreeBlocks } from './staging/tree-blocks.js'
import { ROOT_INO, type Identities, type Tree } from './tree.js'
import type { Highest } from './redo-contract.js'

/** The root of a drive without local state: an empty one, or that of a published commit. */
export type FreshRoot =
  | { readonly uid: number; readonly gid: number; readonly mode: number }
  /** `ino`, `parent` and `nextCookie` are 0; `unloaded` is set if `ref` is. */
  | { readonly record: InodeRecord }

export interface VfsOptions {
  /** Environment `meta`; only the vfs commits it. Its owner closes it after the vfs. */
  readonly meta: Environment
  /** Its owner closes it after the vfs. */
  readonly blocks: BlockStore
  readonly pipeline: Pipeline
  readonly core: Core
  readonly remote: RemoteSource
  /** DriveKeys.nameKey. */
  readonly nameKey: SecretKey
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** The disk of the local data; unlimited by default. See `diskSpace`. */
  readonly disk?: Disk
  /** The most file bytes that are only in memory; 48 MiB by default. */
  readonly heldLimitBytes?: number
  /**
   * The limit of the block cache, as far as blocks can be evicted. Read again each time, so it can change. Unlimited by
   * default.
   */
  readonly cacheLimitBytes?: number | (() => number)
  /** The thread records here what a crash would lose; see makeRiskMemory. */
  readonly riskMemory?: SharedArrayBuffer
  /** Used when `meta` is empty. */
  readonly freshRoot: FreshRoot
  /** See `SyncSignal`. */
  readonly tellSync?: () => void
  /** The mount of a previous daemon is alive, and its kernel knows these numbers. */
  readonly takeOver?: TakeOver | undefined
}

/** With less, a tree at rest is opened without a commit. */
const LEAST_FREE_BYTES = MIB

export interface TakeOver extends Highest {
  /** Called with the newest commit of the previous daemon, before a new commit. */
  onFound(durable: number): void
}

export interface Vfs {
  readonly tree: Tree
  readonly port: DrivePort
  /** Maps between inodes, file ids and names. */
  readonly identities: Identities
  readonly unnamed: UnnamedFiles
  /** Events of every change. */
  readonly changes: Changes
  /** Tells the kernel to drop cache entries that something other than the kernel changed. */
  readonly invalidations: Invalidations
  /** The kernel sends dirty pages during `work`. They are accepted also on a full disk, into memory; see Room. */
  duringWriteBack<T>(work: () => Promise<T>): Promise<T>
  /**
   * Stages and commits everything, then stops. Rejects with NO_SPACE when something could not be staged or committed;
   * it is closed nevertheless. If the commit failed, the last one before it stays: half a commit is never written.
   */
  close(): Promise<void>
}

export async function openVfs(options: VfsOptions): Promise<Vfs> {
  const parts = makeParts(options)
  const { state, inodes, directories, committer } = parts
  const { takeOver } = options
  const isKnown = readState(state)
  if (isKnown) {
    state.durable = state.sequence - 1
    if (takeOver !== undefined) expectReferences(parts, takeOver)
    recover(parts, takeOver !== undefined)
  } else makeRoot(inodes, directories, options.freshRoot)
  if (state.counters.dirtyInodes > 0) state.noteChange()
  // A full disk keeps nobody from reading: a tree at rest is opened without a commit. The first change makes one.
  const isFull = parts.space.space().availableBytes < LEAST_FREE_BYTES
  const restsAt = isFull && isKnown && takeOver === undefined && !state.hasPending ? state.sequence : undefined
  if (restsAt === undefined) {
    writeClean(state, false)
    await committer.commit()
  }

  const { cacheLimitBytes = Infinity } = options
  const limit = typeof cacheLimitBytes === 'function' ? cacheLimitBytes : (): number => cacheLimitBytes
  const background = new Background(parts, limit)
  let closing: Promise<void> | undefined
  return {
    tree: new PosixTree(parts, takeOver?.handle),
    port: new TreePort(parts, background),
    identities: parts.identities,
    unnamed: createUnnamedFiles(parts),
    changes: parts.changes,
    invalidations: parts.invalidations,
    duringWriteBack: (work) => parts.room.duringWriteBack(work),
    close: () => (closing ??= close(parts, background, restsAt)),
  }
}

type Parts = ReturnType<typeof makeParts>

/**
 * From the bottom up: each part gets the parts below it. No object keeps all of them; every function names those it
 * uses.
 */
function makeParts(options: VfsOptions) {
  const { meta, pipeline, core, remote, nameKey, clock, random, log, disk: space = unlimitedSpace } = options
  const signal = new SyncSignal(options.tellSync ?? (() => undefined))
  const state = new TreeState(meta, clock, signal)
  const blocks = new TreeBlocks(options.blocks)
  const room = new Room(
    space,
    () => blocks.store.usage.usedBytes + blocks.store.usage.sharedBytes,
    () => signal.refused(),
  )
  const risk = new RiskGauge(options.riskMemory)
  const held = new HeldMemory(clock, risk, options.heldLimitBytes)
  const failures = new Failures({ log, room, held, state })
  const changes = new Changes((error) => failures.note('a listener of changes failed', error))
  changes.onName = () => {
    if (!state.isLogged) state.unlogged = state.sequence
  }
  const invalidations = new Invalidations()
  const named = new NamedBlocks()
  const gate = new ApplyGate()

  const fileIds = new FileIds(state.tables, nameKey, random)
  const inodes = new InodeTable(state, fileIds, risk)
  const directories = new Directories(state.tables.dentries, nameHasher(nameKey, nativeSeal()))
  const reader = new ChunkReader({ blocks, core, remote, log })

  const content = { state, blocks, named, inodes, reader, held }
  const sealing = new SealQueue({ ...content, pipeline, gate, failures })
  const committer = new Committer({ ...content, sealing, gate, failures })
  inodes.changed.onMany(() => committer.begin())
  const remoteDirectories = new RemoteDirectories({ state, inodes, directories, remote, committer, invalidations })
  const removals = new Removals({ state, held, sealing, inodes, committer, failures })
  inodes.onLateDeparture((inode) => removals.takes(inode))
  inodes.onDeparture((inode) => removeContent({ state, held, sealing }, inode))
  inodes.onDeparture((inode) => directories.drop(inode))
  const identities = new TreeIdentities({ tables: state.tables, inodes, fileIds, directories })
  return {
    ...content,
    clock,
    space,
    room,
    failures,
    changes,
    invalidations,
    remote,
    directories,
    remoteDirectories,
    sealing,
    committer,
    identities,
    removals,
  }
}

/** The kernel may know all numbers up to those of the last commit, and up to the highest ones recorded after it. */
function expectReferences({ inodes, state }: Parts, takeOver: TakeOver): void {
  inodes.assumeKnownBelow(Math.max(state.counters.nextIno, takeOver.ino + 1))
  takeOver.onFound(state.durable)
}

function makeRoot(inodes: InodeTable, directories: Directories, root: FreshRoot): void {
  if (!('record' in root)) {
    const { uid, gid, mode } = root
    const fields = {
      ino: ROOT_INO,
      mode: (mode & 0o7777) | (TYPE.DIRECTORY << 12),
      uid,
      gid,
      nlink: EMPTY_DIRECTORY_LINKS,
      rdev: 0,
      parent: 0,
    }
    directories.begin(inodes.create(fields))
    return
  }
  const { record } = root
  const nlink = namedLinkCount(record)
  inodes.putLoaded({ ...record, nlink, ino: ROOT_INO, parent: 0, nextCookie: FIRST_COOKIE })
}

/** @param restsAt the sequence of a tree that was opened without a commit */
async function close(parts: Parts, background: Background, restsAt: number | undefined): Promise<void> {
  const { committer, sealing, state, removals } = parts
  committer.resume()
  await background.close()
  await removals.close()
  try {
    await stageAll(parts)
  } finally {
    await sealing.idle()
    const isAtRest = state.sequence === restsAt && !committer.isPending
    if (!isAtRest) writeClean(state, true)
    await committer.commit()
  }
}
