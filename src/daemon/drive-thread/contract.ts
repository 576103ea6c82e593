/** What the main thread and the drive thread say to each other. Plain data; carried by rpc.ts. */
import type { LogFields, LogLevel } from '../../base/index.js'
import type { RootKey } from '../../crypto/index.js'
import type { MountEnd } from '../../fuse/index.js'
import type { DrivePort, InodeRecord, RemoteSource } from '../../tree-state/index.js'

/** Given to the Worker at its start. */
export interface DriveThreadData {
  readonly dataDirectory: string
  readonly rootKey: RootKey
  readonly cacheBytes: number
  /** Where it writes what would be lost with it. */
  readonly riskMemory: SharedArrayBuffer
}

export interface ThreadMountOptions {
  readonly readOnly: boolean
  readonly allowOther: boolean
}

/** What the drive thread answers. */
export interface DriveThread extends DrivePort {
  /** No tree has been made in the local metadata yet. */
  isFresh(): Promise<boolean>
  /** Opens store and tree. `root`: the root directory of a published version, used while the local metadata are fresh. */
  open(begin: { readonly root: InodeRecord | undefined }): Promise<void>
  /** @returns the mountpoint without symlinks */
  mount(directory: string, options: ThreadMountOptions): Promise<string>
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
  'readBlocks',
  'flush',
  'discardUnpublished',
  'counts',
  'evictTo',
  'isFresh',
  'open',
  'mount',
  'unmount',
  'closeAll',
]

/** What the drive thread asks and tells. */
export interface MainThread extends RemoteSource {
  mountEnded(mountpoint: string, end: MountEnd): Promise<void>
  log(level: LogLevel, message: string, fields: LogFields): Promise<void>
}

export const MAIN_THREAD_METHODS: readonly (keyof MainThread)[] = [
  'fetchBlocks',
  'loadDirectory',
  'loadChunks',
  'mountEnded',
  'log',
]
