/**
 * The protocol of the control socket. Each request is one operation: `POST /v1/<operation>` with a JSON body. The
 * answer is lines of JSON (NDJSON): any number of `progress`, then one `done` or one `error`. Plain data only;
 * documented in docs/CLI.md.
 */
import type { AdoptReport, MountReport, MountRequest, UnmountRequest } from './mount-messages.js'
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
  /** Files in directories that were not read on this machine are not counted: `published` is a minimum. */
  readonly isPartial: boolean
}

export interface NodeReport {
  readonly kind: 'embedded' | 'folder' | 'kubo'
  /** A path or a URL, without credentials. */
  readonly where: string
  readonly sameMachine: boolean
  readonly state: 'reachable' | 'unreachable' | 'denied' | 'unknown'
  readonly version: string | undefined
  readonly peerId: string | undefined
  /** The age of `state`: milliseconds since the node last answered or failed to answer. */
  readonly knownForMs: number | undefined
  readonly lastError: string | undefined
  /** In the answers to `init` and `nodeSet`: warnings about the node key. */
  readonly warnings?: readonly string[]
}

/** One place that holds everything published. */
export interface CopyReport {
  readonly where: string
  readonly sameMachine: boolean
}

export interface QueueReport {
  readonly state: 'idle' | 'waiting' | 'uploading' | 'retrying' | 'stopped'
  /** Files and directories changed since the last published version. */
  readonly changed: number
  readonly bytes: number
  /** Milliseconds until the next retry; undefined when none is planned. */
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
  /** While the drive is locked: whether there may be changes that are not published. */
  readonly mayBeStaged?: boolean
  /** The height of the newest published version, 0 before the first. */
  readonly publishedHeight: number | undefined
  readonly publishedAtMs: number | undefined
  /**
   * Remote ahead: another device has published a descendant of the local version. Unmounting and mounting fast-forwards
   * to it.
   */
  readonly newer: { readonly height: number; readonly deviceName: string } | undefined
  /**
   * Problems that the user should look at but that stop nothing: an implausible clock, ignored heads, an interrupted
   * move.
   */
  readonly warnings?: readonly string[]
  /** The background scrub of the node's blocks, and the findings of all checks. */
  readonly scrub?: ScrubStatus
  readonly lastError: string | undefined
}

/** Its secrets are sent only over the socket. */
export interface InitRequest {
  /** Absent: the configured node, or the embedded one. */
  readonly nodeUrl?: string
  readonly nodeKey?: string
  /** Opens the drive of this recovery phrase. NO_DRIVE if the node has none. */
  readonly phrase?: string
  /** With a phrase: makes a new drive with it. DRIVE_EXISTS if the node already has one. */
  readonly isNew?: boolean
  /** With a phrase: if this home has an empty drive, that one is set aside. DRIVE_EXISTS if it is not empty. */
  readonly replaceEmpty?: boolean
  /** Seals the key file with this passphrase. */
  readonly passphrase?: string
  /** Absent: the host name; for a device that opens a published drive, with its number among the devices. */
  readonly deviceName?: string
  /** Absolute. Where the drive will be mounted: if that is not possible, no drive is made. */
  readonly mountAt?: string
  /** With `mountAt`: as in MountRequest. */
  readonly adopt?: boolean
}

export interface InitReport {
  readonly outcome: 'created' | 'opened'
  /** The generated phrase of a new drive, to be shown once. Undefined if the request had a phrase. */
  readonly phrase: string | undefined
  readonly node: NodeReport
  readonly publishedHeight: number
  /** The folder that has the empty drive of before. */
  readonly replaced?: string
}

export interface UnmountReport {
  readonly unmounted: readonly string[]
  /** Data that is only on this machine. Zero files after a drain. */
  readonly staged: LevelReport
  /** The reason why staged data will not be uploaded automatically; undefined when it will. */
  readonly stopped: WireError | undefined
  /** Nothing waited for the node, and it did not answer: it was not asked whether it still has the version. */
  readonly nodeAway?: true
  /** The drive is locked, and dead mounts were detached, if there were any. `staged` is not known. */
  readonly locked?: true
  /** With `locked`: there may be changes that are not published. */
  readonly mayBeStaged?: boolean
  /** The daemon's process id when the daemon is about to end because nothing is mounted any more. */
  readonly endingPid: number | undefined
}

/** Progress of an operation that waits for the node. `restoring`: sends again what the node has lost. */
export interface TransferProgress {
  readonly phase: 'staging' | 'preparing' | 'restoring' | 'uploading' | 'publishing' | 'waiting' | 'unmounting'
  readonly doneBytes: number
  readonly totalBytes: number
  /** An estimate; undefined when unknown. */
  readonly remainingMs: number | undefined
  /** For `waiting`: the reason. */
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

export interface ForgetReport {
  /** False: there was none. */
  readonly removed: boolean
  readonly freedBytes: number
  /** Files in the folder that are not the store's. They stay there. */
  readonly left: number
  /** The folder where they are. */
  readonly where: string | undefined
}

export interface FsckRequest {
  /** Repairs damage in the checked parts. */
  readonly repair?: boolean
  /** Also checks the blocks on the node. */
  readonly node?: boolean
}

/** See `CheckFinding` of src/sync: plain data. */
export type FsckFinding = CheckFinding

/** Progress, or one finding. There may be any number of findings. */
export type FsckProgress = CheckProgress | { readonly finding: FsckFinding }

export type FsckReport = CheckReport

/** The operations, each with its request, its progress and its answer. */
export interface Operations {
  status: { given: Record<string, never>; progress: never; answer: StatusReport }
  init: { given: InitRequest; progress: never; answer: InitReport }
  unlock: { given: { readonly passphrase: string }; progress: never; answer: { readonly state: DriveState } }
  mount: { given: MountRequest; progress: never; answer: MountReport }
  /** Moves the files beneath a mount that was made with `adopt` into the drive. */
  adoptFiles: { given: { readonly directory: string }; progress: never; answer: AdoptReport }
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
  /** Whether a credential is the one that is kept for this node. */
  nodeKeyVerify: {
    given: { readonly url: string; readonly key: string }
    progress: never
    answer: { readonly matches: boolean }
  }
  /** Removes the embedded store that `nodeSet` left. */
  nodeForget: { given: Record<string, never>; progress: CheckProgress; answer: ForgetReport }
  nodeTest: { given: NodeRequest; progress: never; answer: NodeReport }
  /** Makes everything `staged`, unmounts, and ends the daemon. */
  stop: {
    given: Record<string, never>
    progress: never
    /** `mayBeStaged`: the drive is locked, and it is not known whether everything is published. */
    answer: { readonly staged: LevelReport; readonly mayBeStaged?: true; readonly endingPid: number }
  }
}

export type OperationName = keyof Operations

export interface OperationContext<Name extends OperationName> {
  /** Fires when the caller disconnects. */
  readonly signal: AbortSignal
  readonly progress: (what: Operations[Name]['progress']) => void
}

/** The operations of the daemon. Each rejection is a DriveError. */
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
