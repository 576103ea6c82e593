/**
 * The contract of sync: publishes the changes that the drive thread staged, and opens versions that other devices
 * published. Durability level reached by a publish: `published`.
 */
import type { Clock, Digest, DriveErrorCode, Log, Random } from '../base/index.js'
import type { DriveKeys } from '../crypto/index.js'
import type { CheckProgress, CheckReport, CheckRequest, ScrubStatus, Unconfirmed } from './check/contract.js'
import type { Version } from '../commits/index.js'
import type { EntryRecord } from '../dag/index.js'
import type { CidText, IpfsNode, LeftStore, NodeStatus } from '../node/index.js'
import type { Core } from '../pipeline/index.js'
import type { LocalBlockReader } from './fetch/local-blocks.js'
import type { DrivePort, RemoteSource } from '../tree-state/index.js'
import type { Environment, EnvironmentReader } from '../storage/kv/index.js'

export type { Version } from '../commits/index.js'
export type { CheckProgress, CheckReport, CheckFinding, ScrubStatus } from './check/contract.js'

/** A drive found on a node. */
export interface FoundDrive {
  readonly version: Version
  /** Sequence of the drive name's record. */
  readonly nameSequence: number
  /** The version root in that record: `version`, or an ancestor of it. */
  readonly namedRoot: Digest
}

/** Everything a new device needs to start: pass `root` to vfs, and the whole object to `openSync` as `start`. */
export interface OpenedDrive extends FoundDrive {
  /** The root directory; load its entries from `content.ref`. */
  readonly root: EntryRecord
  /** A device slot without a known head. */
  readonly deviceSlot: number
  /** Every device head the node knows, by slot. */
  readonly devices: readonly KnownHead[]
}

export interface KnownHead {
  readonly slot: number
  readonly sequence: number
  /** The version root it points to. */
  readonly root: Digest
}

/** Remote ahead: a version made by another device that descends from this device's version. */
export interface Newer {
  readonly version: Version
  /** The device that made it, as the beginning of a sentence. */
  readonly who: string
}

/** A newer version that this device is taking over. Durable from the first step to the last. */
export interface FastForward extends FoundDrive {
  /** The device heads at that time. */
  readonly devices: readonly KnownHead[]
}

export interface SyncOptions {
  readonly port: DrivePort
  /** Sealed blocks on this machine. */
  readonly blocks: LocalBlockReader
  /** The drive's metadata in this process, read-only. */
  readonly meta: EnvironmentReader
  /** Sync's own environment. Its opener closes it, after `Sync.close`. */
  readonly queue: Environment
  readonly node: IpfsNode
  readonly keys: DriveKeys
  /** 0 … 255; each device has its own slot. */
  readonly deviceSlot: number
  readonly deviceName: string
  readonly core: Core
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** The start version of a device that opened an existing drive; only read while the queue is empty. */
  readonly start?: OpenedDrive
  /** The node is not the configured one yet: until `Sync.keepNode`, its confirmations make nothing evictable. */
  readonly isProvisional?: boolean
  /** Nothing is published before `Sync.resume`. */
  readonly isPaused?: boolean
  readonly settings?: Partial<SyncSettings>
}

/** All times in milliseconds. */
export interface SyncSettings {
  /** Publish this long after the last change. */
  readonly debounceMs: number
  /** Publish at the latest this long after the first unpublished change, however busy the drive is. */
  readonly maxDelayMs: number
  /** On a full disk, publish at once. If that version did not free enough space, wait this long before the next. */
  readonly spaceRetryMs: number
  /** An automatic publish starts at the earliest this long after the start of the previous one. */
  readonly leastIntervalMs: number
  readonly firstRetryMs: number
  readonly lastRetryMs: number
  /** While nothing waits for the node, it is probed at this interval. */
  readonly healthCheckMs: number
  /**
   * While anything waits, it is probed at this interval, plus a random delay up to `probeSpreadMs`, so that devices do
   * not probe all at once.
   */
  readonly probeMs: number
  readonly probeSpreadMs: number
  /** Name records are republished at this interval. */
  readonly refreshNamesMs: number
  readonly partBlocks: number
  readonly partBytes: number
  /** Parts sent at the same time. */
  readonly concurrentParts: number
  /** Blocks fetched at the same time for the drive thread. */
  readonly concurrentFetches: number
  /** After a failed fetch, fail at once for this long. */
  readonly offlineMs: number
  /** The scrub of the blocks on the node reads at most this many bytes a second; 0 turns it off. */
  readonly scrubBytesPerSecond: number
  /** From the end of one full pass of the scrub to the start of the next. */
  readonly scrubEveryMs: number
}

export const DEFAULT_SETTINGS: SyncSettings = {
  debounceMs: 5_000,
  maxDelayMs: 60_000,
  spaceRetryMs: 5_000,
  leastIntervalMs: 1_000,
  firstRetryMs: 1_000,
  lastRetryMs: 5 * 60_000,
  healthCheckMs: 5 * 60_000,
  probeMs: 10_000,
  probeSpreadMs: 5_000,
  refreshNamesMs: 9 * 60 * 60_000,
  partBlocks: 4096,
  partBytes: 64 * 1024 * 1024,
  concurrentParts: 2,
  concurrentFetches: 16,
  offlineMs: 3_000,
  scrubBytesPerSecond: 0,
  scrubEveryMs: 24 * 60 * 60_000,
}

/**
 * `idle`: nothing to do. `waiting`: changes wait for the debounce. `restoring`: sends the published version again to a
 * node that lost it. Then the steps of one publish. `retrying`: after a failure, see `nextTryMs`. `refused`: a head on
 * the node is not ours to replace, see `lastError`. `paused`: by the user.
 */
export type SyncPhase =
  | 'idle'
  | 'waiting'
  | 'restoring'
  | 'preparing'
  | 'building'
  | 'uploading'
  | 'pinning'
  | 'naming'
  | 'settling'
  | 'retrying'
  | 'refused'
  | 'paused'
  | 'closed'

export interface SyncStatus {
  readonly phase: SyncPhase
  /**
   * Of the current publish; zeros when none is running. `files` counts changed files; its `done` is estimated from the
   * bytes.
   */
  readonly files: { readonly done: number; readonly total: number }
  readonly blocks: { readonly done: number; readonly total: number }
  readonly bytes: { readonly done: number; readonly total: number }
  readonly bytesPerSecond: number
  readonly secondsLeft: number | undefined
  readonly lastError: { readonly code: DriveErrorCode; readonly message: string } | undefined
  /** Wall clock time of the next try after a failure. */
  readonly nextTryMs: number | undefined
  /** `freeze` of the version being published; undefined when none is. */
  readonly sequence: number | undefined
  /** The newest version this device published or opened. */
  readonly published: PublishedVersion | undefined
  /** The node was found without that version, and does not have it again yet. */
  readonly isLostByNode: boolean
  /**
   * Remote ahead: another device has published this version on top of ours, and this device has no unpublished changes.
   * When the drive is opened again, it takes this version over.
   */
  readonly newer: { readonly height: number; readonly deviceName: string } | undefined
  /** Problems that need a person's attention, but stop nothing. */
  readonly warnings: readonly string[]
  readonly scrub: ScrubStatus
  readonly node: {
    readonly state: 'unknown' | 'reachable' | 'unreachable' | 'denied'
    readonly status: NodeStatus | undefined
    /** Milliseconds since its last answer or failure; undefined before the first. */
    readonly ageMs: number | undefined
    /** The reason why it is not reachable. */
    readonly error: string | undefined
  }
}

export interface PublishedVersion {
  /** CID of the version root. */
  readonly root: CidText
  readonly height: number
  readonly timeMs: number
  readonly deviceSlot: number
  readonly liveBlocks: number
}

export interface Sync {
  /** For the drive thread: reads blocks and entries that are not on this machine. */
  readonly remote: RemoteSource
  status(): SyncStatus
  /**
   * Resolves when everything acknowledged before the call is `published`. If there was nothing to publish, it also
   * resolves when another device is ahead (see `SyncStatus.newer`). Rejects at once with DIVERGED, ROLLED_BACK,
   * NODE_DENIED, NO_SPACE and similar errors. Rejects with OFFLINE, TIMEOUT and NODE_* after one failed try, while the
   * queue keeps retrying.
   */
  syncNow(options?: { signal?: AbortSignal; onProgress?: (status: SyncStatus) => void }): Promise<void>
  /** According to the tables on this machine. The node is not asked. Makes everything `staged`. */
  isAllPublished(): Promise<boolean>
  /**
   * Checks the data on this machine, and on request the data on the node. Repairs on request. Programs continue
   * meanwhile. Only one check at a time: BUSY. OFFLINE and similar errors when the node is to be checked and does not
   * answer.
   */
  check(request: CheckRequest): Promise<CheckReport>
  /** Finishes nothing and starts nothing until `resume`; what is under way stops at the next safe place. */
  pause(): void
  resume(): void
  /** The node is the configured one from now on, durably: its confirmations count. */
  keepNode(): void
  /** Remembers the heads of devices this one has not heard of, as the node shows them now. */
  hearOfDevices(signal: AbortSignal): Promise<void>
  /**
   * Asks the node for everything that the store keeps, and reads the blocks back. Damage is recorded for a repair, with
   * good copies of the store. BUSY while the drive moves or is checked; OFFLINE and similar errors.
   */
  readonly unconfirmed: (
    store: Pick<LeftStore, 'pins' | 'names' | 'getBlock'>,
    signal: AbortSignal,
    onProgress: (progress: CheckProgress) => void,
  ) => Promise<Unconfirmed>
  /**
   * Call it when something changed after `DrivePort.counts` last reported no change, or when a write found no space:
   * sync does not poll for either.
   */
  changed(): void
  onChange(listener: (status: SyncStatus) => void): () => void
  /** Stops at once and safely: unpublished changes stay staged, and the next start continues with them. */
  close(): Promise<void>
}
