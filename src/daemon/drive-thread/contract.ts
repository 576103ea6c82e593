/** The calls between the main thread and the drive thread. All data is plain; rpc.ts carries it. */
import type { MessagePort } from 'node:worker_threads'
import type { LogFields, LogLevel } from '../../base/index.js'
import type { RootKey } from '../../crypto/index.js'
import type { LivingMount, MountEnd, SkippedOperation } from '../../fuse/index.js'
import type { DrivePort, InodeRecord, RemoteSource } from '../../tree-state/index.js'
import type { Highest } from '../../vfs/index.js'

/** Given to the Worker at its start. */
export interface DriveThreadStart {
  /** DriveThreadData is received through this port. */
  readonly dataPort: MessagePort
}

/** The first data that a drive thread gets. */
export interface DriveThreadData {
  readonly dataDirectory: string
  /** The home id; undefined for local data written before homes had one. */
  readonly home: Uint8Array | undefined
  readonly rootKey: RootKey
  readonly cacheBytes: number
  /** Where the drive thread counts the changes that its death would lose. */
  readonly riskMemory: SharedArrayBuffer
}

export interface ThreadMountOptions {
  readonly readOnly: boolean
  readonly allowOther: boolean
  /** As in the mount's own options. */
  readonly sharedMemory?: number | undefined
  /** As in the mount's own options. */
  readonly logMarkFile?: string
  /** As in the mount's own options. */
  readonly again?: boolean
}

export interface ThreadMount {
  /** Without symlinks. */
  readonly mountpoint: string
  /** The FUSE channel, for the holder. The drive thread keeps owning it. */
  readonly channel: number | undefined
  /** Number of names in the directory beneath the mount. */
  readonly beneath: number
  /** The original mode of the mountpoint directory, if a guard replaced it. */
  readonly bareMode: number | undefined
}

/** Calls that the drive thread answers. */
export interface DriveThread extends DrivePort {
  /** Whether the local metadata hold no tree yet. */
  isFresh(): Promise<boolean>
  /**
   * Opens store and tree. `root` is the root directory of a published version; it is used while the local metadata are
   * fresh.
   */
  open(begin: {
    readonly root: InodeRecord | undefined
    /** State of a mount that survived its daemon and will be taken over. */
    readonly living?: { readonly highest: Highest; readonly sharedMemory: number } | undefined
  }): Promise<void>
  mount(directory: string, options: ThreadMountOptions): Promise<ThreadMount>
  /**
   * Puts the name of a mount back that was detached while programs use it.
   * @returns whether its path shows it; otherwise the mount has ended
   * @throws BUSY, NOT_EMPTY
   */
  showAgain(mountpoint: string, options: Pick<ThreadMountOptions, 'again'>): Promise<boolean>
  /** Serves a mount whose server died. The drive thread then owns its channel. */
  takeOver(living: LivingMount, options: ThreadMountOptions): Promise<ThreadMount>
  /** Programs that use the mount get errors, wherever it is. */
  abort(mountpoint: string): Promise<void>
  /**
   * Makes the kernel send the dirty pages of every mount; level reached: `held`.
   * @throws NO_SPACE and others: a page could not be written, and the kernel does not send it again
   */
  writeBack(): Promise<void>
  /** @throws BUSY if programs use it, unless `lazy` */
  unmount(mountpoint: string, options: { readonly lazy: boolean }): Promise<void>
  /** Makes everything `staged` and closes it. The thread ends after its answer. */
  closeAll(): Promise<void>
}

export const DRIVE_THREAD_METHODS: readonly (keyof DriveThread)[] = [
  'freeze',
  'resume',
  'published',
  'adopt',
  'giveBack',
  'keepBlocks',
  'restoreBlocks',
  'replaceBlocks',
  'markChanged',
  'nextEvicted',
  'readBlocks',
  'placesOf',
  'shareSegment',
  'flush',
  'discardUnpublished',
  'counts',
  'evictTo',
  'isFresh',
  'open',
  'mount',
  'showAgain',
  'takeOver',
  'abort',
  'writeBack',
  'unmount',
  'closeAll',
]

/** Calls that the main thread answers. */
export interface MainThread extends RemoteSource {
  mountEnded(mountpoint: string, end: MountEnd): Promise<void>
  /** A request was answered with an error, because it ended earlier drive threads. @param what the operation */
  requestRefused(what: string): Promise<void>
  /** Operations of a killed daemon are not replayed. Resolves when that is recorded. */
  operationsSkipped(first: readonly SkippedOperation[], total: number): Promise<void>
  /** The replay of operations needs space. @returns whether to try again; false if they are given up */
  untilSpace(): Promise<boolean>
  /** As `Sync.changed`. */
  changed(): Promise<void>
  log(level: LogLevel, message: string, fields: LogFields): Promise<void>
}

export const MAIN_THREAD_METHODS: readonly (keyof MainThread)[] = [
  'fetchBlocks',
  'loadDirectory',
  'loadChunks',
  'mountEnded',
  'requestRefused',
  'operationsSkipped',
  'untilSpace',
  'changed',
  'log',
]
