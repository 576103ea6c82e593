/**
 * What goes over the control socket: one operation a request, `POST /v1/<operation>` with a JSON body, answered by
 * lines of JSON (NDJSON): any number of `progress`, then one `done` or one `error`. Plain data only; docs/CLI.md shows
 * it.
 */
import type { WireError } from '../base/index.js'
import type { CheckProgress, CheckReport, CheckFinding, ScrubStatus } from '../sync/index.js'

/** Files and bytes at one durability level. */
export interface LevelReport {
  readonly files: number
  readonly bytes: number
}

/** Every file and byte of the drive at exactly one level: the highest it has reached. */
export interface LevelsReport {
  readonly held: LevelReport
  readonly staged: LevelReport
  readonly stored: LevelReport
  readonly published: LevelReport
}

export interface NodeReport {
  readonly kind: 'embedded' | 'folder' | 'kubo'
  /** A path or a URL, without credentials. */
  readonly where: string
  readonly sameMachine: boolean
  readonly state: 'reachable' | 'unreachable' | 'denied' | 'unknown'
  readonly version: string | undefined
  readonly peerId: string | undefined
  /** Milliseconds since the node last answered, or failed to: how old `state` is. */
  readonly knownForMs: number | undefined
  readonly lastError: string | undefined
  /** In the answers to `init` and `nodeSet`: what to know of its key. */
  readonly warnings?: readonly string[]
}

/** One place that holds everything published. */
export interface CopyReport {
  readonly where: string
  readonly sameMachine: boolean
}

export interface MountReport {
  readonly directory: string
  readonly readOnly: boolean
  readonly allowOther: boolean
  /** In the answer to `mount`, the code of why the node did not say whether another device has published meanwhile. */
  readonly newerUnknown?: string
}

export interface QueueReport {
  readonly state: 'idle' | 'waiting' | 'uploading' | 'retrying' | 'stopped'
  /** Files and directories changed since the last published version. */
  readonly changed: number
  readonly bytes: number
  /** Milliseconds until the next try; undefined when nothing is planned. */
  readonly nextTryMs: number | undefined
  readonly lastError: string | undefined
}

export type DriveState = 'no-drive' | 'locked' | 'opening' | 'open' | 'failed'

export interface StatusReport {
  readonly state: DriveState
  readonly daemon: {
    readonly pid: number
    readonly version: string
    readonly uptimeMs: number
    /** Resident memory of the whole process, bytes. */
    readonly residentBytes: number
  }
  readonly levels: LevelsReport | undefined
  /** Copies of everything published, this machine's cache not counted. */
  readonly copies: readonly CopyReport[]
  readonly node: NodeReport | undefined
  readonly queue: QueueReport | undefined
  readonly cache:
    { readonly usedBytes: number; readonly evictableBytes: number; readonly limitBytes: number } | undefined
  readonly mounts: readonly MountReport[]
  /** The height of the newest published version, 0 before the first. */
  readonly publishedHeight: number | undefined
  readonly publishedAtMs: number | undefined
  /** Another device has published this on top of the version here; unmounting and mounting takes it over. */
  readonly newer: { readonly height: number; readonly deviceName: string } | undefined
  /**
   * What needs a person's eye and keeps nothing from going on: an implausible clock, heads that are ignored, a move
   * that was cut off.
   */
  readonly warnings?: readonly string[]
  /** The slow check of what the node holds, and what any check found. */
  readonly scrub?: ScrubStatus
  readonly lastError: string | undefined
}

/** Secrets in here travel over the socket only. */
export interface InitRequest {
  /** Absent: the configured node, or the embedded one. */
  readonly nodeUrl?: string
  readonly nodeKey?: string
  /** Open the drive of this recovery phrase. NO_DRIVE where the node knows none. */
  readonly phrase?: string
  /** With a phrase: make a new drive with it. DRIVE_EXISTS where the node knows one. */
  readonly isNew?: boolean
  /** Seal the key file with this passphrase. */
  readonly passphrase?: string
  readonly deviceName?: string
}

export interface InitReport {
  readonly outcome: 'created' | 'opened'
  /** Only for a drive made without a given phrase: to be shown once. */
  readonly phrase: string | undefined
  readonly node: NodeReport
  readonly publishedHeight: number
}

export interface MountRequest {
  /** Absolute. */
  readonly directory: string
  readonly readOnly?: boolean
  readonly allowOther?: boolean
}

export interface UnmountRequest {
  /** Absolute; absent: every mount. */
  readonly directory?: string
  /** Leave without waiting for the node: everything becomes `staged`. */
  readonly now?: boolean
  /** Abort the kernel connection and detach; open files fail. Implies nothing about `now`. */
  readonly force?: boolean
}

export interface UnmountReport {
  readonly unmounted: readonly string[]
  /** What is on this machine only. Zero files after a drain. */
  readonly staged: LevelReport
  /** Why what is staged will not be uploaded by itself; undefined when it will. */
  readonly stopped: WireError | undefined
  /** The daemon's process when it is about to end, as nothing is mounted any more. */
  readonly endingPid: number | undefined
}

/** Progress of whatever waits for the node. */
export interface TransferProgress {
  readonly phase: 'staging' | 'preparing' | 'uploading' | 'publishing' | 'waiting' | 'unmounting'
  readonly doneBytes: number
  readonly totalBytes: number
  /** Estimated; undefined when not known. */
  readonly remainingMs: number | undefined
  /** Why it waits, for `waiting`. */
  readonly lastError: string | undefined
}

export interface SyncReport {
  readonly publishedHeight: number
  readonly levels: LevelsReport
}

export interface NodeRequest {
  readonly url?: string
  readonly key?: string
}

export interface FsckRequest {
  /** Heals what is damaged, of what is checked. */
  readonly repair?: boolean
  /** Also what the node holds. */
  readonly node?: boolean
}

/** See `CheckFinding` of src/sync: plain data. */
export type FsckFinding = CheckFinding

/** How far it is, or something that was found: there may be any number of them. */
export type FsckProgress = CheckProgress | { readonly finding: FsckFinding }

export type FsckReport = CheckReport

/** Each operation: what it is given, what it says on the way, what it answers. */
export interface Operations {
  status: { given: Record<string, never>; progress: never; answer: StatusReport }
  init: { given: InitRequest; progress: never; answer: InitReport }
  unlock: { given: { readonly passphrase: string }; progress: never; answer: { readonly state: DriveState } }
  mount: { given: MountRequest; progress: never; answer: MountReport }
  unmount: { given: UnmountRequest; progress: TransferProgress; answer: UnmountReport }
  /** Answers when nothing is mounted at `directory` any more. */
  waitUnmounted: { given: { readonly directory: string }; progress: never; answer: Record<string, never> }
  sync: { given: Record<string, never>; progress: TransferProgress; answer: SyncReport }
  fsck: { given: FsckRequest; progress: FsckProgress; answer: FsckReport }
  keyShow: { given: { readonly passphrase?: string }; progress: never; answer: { readonly phrase: string } }
  keyVerify: { given: { readonly phrase: string }; progress: never; answer: { readonly matches: boolean } }
  nodeSet: {
    given: NodeRequest & { readonly url: string }
    progress: TransferProgress
    answer: NodeReport
  }
  nodeTest: { given: NodeRequest; progress: never; answer: NodeReport }
  /** Leave early: everything `staged`, unmounted, the daemon ends. */
  stop: {
    given: Record<string, never>
    progress: never
    answer: { readonly staged: LevelReport; readonly endingPid: number }
  }
}

export type OperationName = keyof Operations

export const OPERATION_NAMES: readonly OperationName[] = [
  'status',
  'init',
  'unlock',
  'mount',
  'unmount',
  'waitUnmounted',
  'sync',
  'fsck',
  'keyShow',
  'keyVerify',
  'nodeSet',
  'nodeTest',
  'stop',
]

export interface OperationContext<Name extends OperationName> {
  /** Fires when the caller has gone. */
  readonly signal: AbortSignal
  readonly progress: (what: Operations[Name]['progress']) => void
}

/** What the daemon offers; each rejection is a DriveError. */
export type ControlService = {
  readonly [Name in OperationName]: (
    given: Operations[Name]['given'],
    context: OperationContext<Name>,
  ) => Promise<Operations[Name]['answer']>
}

/** One line of an answer. */
export type WireLine =
  | { readonly type: 'progress'; readonly value: unknown }
  | { readonly type: 'done'; readonly value: unknown }
  | { readonly type: 'error'; readonly error: WireError }
