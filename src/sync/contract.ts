/**
 * The contract of sync: publishing what the drive thread staged, and opening what other devices published.
 * Durability level reached by a publish: `published`.
 */
import type { Clock, Digest, DriveErrorCode, Log, Random } from '../base/index.js'
import type { DriveKeys } from '../crypto/index.js'
import type { CheckReport, CheckRequest, ScrubStatus } from './check/contract.js'
import type { Version } from '../commits/index.js'
import type { EntryRecord } from '../dag/index.js'
import type { CidText, IpfsNode, NodeStatus } from '../node/index.js'
import type { Core } from '../pipeline/index.js'
import type { DrivePort, RemoteSource } from '../tree-state/index.js'
import type { Environment, EnvironmentReader } from '../storage/kv/index.js'

export type { Version } from '../commits/index.js'
export type {
  CheckProgress,
  CheckReport,
  CheckRequest,
  CheckFinding,
  ScrubPosition,
  ScrubStatus,
} from './check/contract.js'

/** A drive found on a node. */
export interface FoundDrive {
  readonly version: Version
  /** Sequence of the drive name's record. */
  readonly nameSequence: number
  /** The version root that record names: `version`, or one it descends from. */
  readonly namedRoot: Digest
}

/** What another device needs to begin: give `root` to vfs, and the whole to `openSync` as `start`. */
export interface OpenedDrive extends FoundDrive {
  /** The root directory; load its entries from `content.ref`. */
  readonly root: EntryRecord
  /** A device slot no head is known of. */
  readonly deviceSlot: number
  /** Every device head the node knows, by slot. */
  readonly devices: readonly KnownHead[]
}

export interface KnownHead {
  readonly slot: number
  readonly sequence: number
  /** The version root it names. */
  readonly root: Digest
}

/** A version another device made that descends from this device's. */
export interface Newer {
  readonly version: Version
  /** Who made it, as a sentence begins. */
  readonly who: string
}

/** A newer version on its way to being this device's: durable from the first step to the last. */
export interface FastForward extends FoundDrive {
  /** Device heads as they were then. */
  readonly devices: readonly KnownHead[]
}

export interface SyncOptions {
  readonly port: DrivePort
  /** The drive's metadata, read only, in this process. */
  readonly meta: EnvironmentReader
  /** Sync's own environment. Whoever opened it closes it, after `Sync.close`. */
  readonly queue: Environment
  readonly node: IpfsNode
  readonly keys: DriveKeys
  /** 0 … 255; one device a slot. */
  readonly deviceSlot: number
  readonly deviceName: string
  readonly core: Core
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Where this device begins when it opened an existing drive; only read while the queue is empty. */
  readonly start?: OpenedDrive
  /** The node is not the configured one yet: nothing becomes evictable by what it confirms, until `Sync.keepNode`. */
  readonly isProvisional?: boolean
  readonly settings?: Partial<SyncSettings>
}

/** All times in milliseconds. */
export interface SyncSettings {
  /** Publish this long after the last change. */
  readonly debounceMs: number
  /** Publish at the latest this long after the first unpublished change, however busy the drive is. */
  readonly maxDelayMs: number
  /** On a full disk: publish at once, and after a version that did not make room not before so long. */
  readonly spaceRetryMs: number
  /** A version by itself begins at the earliest this long after the one before, whatever goes on. */
  readonly leastIntervalMs: number
  readonly firstRetryMs: number
  readonly lastRetryMs: number
  /** While nothing waits for the node, it is asked this often. */
  readonly healthCheckMs: number
  /** While anything does: this often, and up to `probeSpreadMs` later, so that devices do not ask all at once. */
  readonly probeMs: number
  readonly probeSpreadMs: number
  /** Name records are put again this often. */
  readonly refreshNamesMs: number
  readonly partBlocks: number
  readonly partBytes: number
  /** Parts in flight. */
  readonly concurrentParts: number
  /** Blocks fetched at the same time for the drive thread. */
  readonly concurrentFetches: number
  /** After a failed fetch, fail at once for this long. */
  readonly offlineMs: number
  /** The slow check of what the node holds reads at most so many bytes a second; 0: there is none. */
  readonly scrubBytesPerSecond: number
  /** From the end of one pass of it over the whole version to the beginning of the next. */
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
 * `idle` nothing to do; `waiting` changes wait for the debounce; then the steps of one publish; `retrying` after a
 * failure, see `nextTryMs`; `refused` a head on the node is not ours to replace, see `lastError`; `paused` by the user.
 */
export type SyncPhase =
  | 'idle'
  | 'waiting'
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
  /** Of the publish under way; zeros when none is. Files are those with changes; done is estimated from the bytes. */
  readonly files: { readonly done: number; readonly total: number }
  readonly blocks: { readonly done: number; readonly total: number }
  readonly bytes: { readonly done: number; readonly total: number }
  readonly bytesPerSecond: number
  readonly secondsLeft: number | undefined
  readonly lastError: { readonly code: DriveErrorCode; readonly message: string } | undefined
  /** Clock time of the next try after a failure. */
  readonly nextTryMs: number | undefined
  /** The newest version this device published or opened. */
  readonly published: PublishedVersion | undefined
  /**
   * Another device has published this on top of ours, and nothing here is unpublished: opening the drive again takes it
   * over.
   */
  readonly newer: { readonly height: number; readonly deviceName: string } | undefined
  /** What needs a person's eye and keeps nothing from going on. */
  readonly warnings: readonly string[]
  readonly scrub: ScrubStatus
  readonly node: {
    readonly state: 'unknown' | 'reachable' | 'unreachable' | 'denied'
    readonly status: NodeStatus | undefined
    /** Milliseconds since it last answered, or failed to; undefined before the first time. */
    readonly ageMs: number | undefined
    /** Why it is not reachable. */
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
  /** For the drive thread: blocks and entries that are not on this machine. */
  readonly remote: RemoteSource
  status(): SyncStatus
  /**
   * Resolves when everything acknowledged before the call is `published`, also where that is nothing and another device
   * went on (see `SyncStatus.newer`). Rejects with what stopped it: DIVERGED, ROLLED_BACK, NODE_DENIED, NO_SPACE and
   * the like at once; OFFLINE, TIMEOUT and NODE_* after one failed try (the queue goes on trying by itself).
   */
  syncNow(options?: { signal?: AbortSignal; onProgress?: (status: SyncStatus) => void }): Promise<void>
  /** Finishes nothing and starts nothing until `resume`; what is under way stops at the next safe place. */
  /**
   * Checks what is here, and on request what the node holds, and repairs on request. Programs go on meanwhile. One at a
   * time: BUSY. OFFLINE and the like where the node is asked for and does not answer.
   */
  check(request: CheckRequest): Promise<CheckReport>
  pause(): void
  resume(): void
  /** The node is the configured one from now on, durably: what it confirms counts. */
  keepNode(): void
  /**
   * Something changed since `DrivePort.counts` last said that nothing had, or a write found no space: nobody looks for
   * that by himself.
   */
  changed(): void
  onChange(listener: (status: SyncStatus) => void): () => void
  /** Stops at once and safely: what is not published stays staged and goes on at the next start. */
  close(): Promise<void>
}
