/** What the main thread and the drive thread say to each other. Plain data; carried by rpc.ts. */
import type { LogFields, LogLevel } from '../../base/index.js'
import type { RootKey } from '../../crypto/index.js'
import type { LivingMount, MountEnd } from '../../fuse/index.js'
import type { DrivePort, InodeRecord, RemoteSource } from '../../tree-state/index.js'
import type { Highest } from '../../vfs/index.js'

/** Given to the Worker at its start. */
export interface DriveThreadData {
  readonly dataDirectory: string
  /** The number of this home; undefined for local data from before homes had one. */
  readonly home: Uint8Array | undefined
  readonly rootKey: RootKey
  readonly cacheBytes: number
  /** Where it writes what would be lost with it. */
  readonly riskMemory: SharedArrayBuffer
}

export interface ThreadMountOptions {
  readonly readOnly: boolean
  readonly allowOther: boolean
  /** As in the mount's own options. */
  readonly sharedMemory?: number | undefined
  /** As in the mount's own options. */
  readonly again?: boolean
}

export interface ThreadMount {
  /** Without symlinks. */
  readonly mountpoint: string
  /** For the holder; it stays the drive thread's. */
  readonly channel: number | undefined
  /** Names in the directory itself. */
  readonly beneath: number
  /** The directory's own mode, when it was taken away. */
  readonly bareMode: number | undefined
}

/** What the drive thread answers. */
export interface DriveThread extends DrivePort {
  /** No tree has been made in the local metadata yet. */
  isFresh(): Promise<boolean>
  /**
   * Opens store and tree. `root`: the root directory of a published version, used while the local metadata are fresh.
   */
  open(begin: {
    readonly root: InodeRecord | undefined
    /** Of a mount that lives on and will be taken over. */
    readonly living?: { readonly highest: Highest; readonly sharedMemory: number } | undefined
  }): Promise<void>
  mount(directory: string, options: ThreadMountOptions): Promise<ThreadMount>
  /** Serves a mount whose server died. The channel is the drive thread's from then on. */
  takeOver(living: LivingMount, options: ThreadMountOptions): Promise<ThreadMount>
  /** BUSY when programs use it, unless `lazy`. */
  unmount(mountpoint: string, options: { readonly lazy: boolean }): Promise<void>
  /** Everything `staged` and closed; the thread ends after its answer. */
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
  'flush',
  'discardUnpublished',
  'counts',
  'evictTo',
  'isFresh',
  'open',
  'mount',
  'takeOver',
  'unmount',
  'closeAll',
]

/** What the drive thread asks and tells. */
export interface MainThread extends RemoteSource {
  mountEnded(mountpoint: string, end: MountEnd): Promise<void>
  /** As `Sync.changed`. */
  changed(): Promise<void>
  log(level: LogLevel, message: string, fields: LogFields): Promise<void>
}

export const MAIN_THREAD_METHODS: readonly (keyof MainThread)[] = [
  'fetchBlocks',
  'loadDirectory',
  'loadChunks',
  'mountEnded',
  'changed',
  'log',
]
