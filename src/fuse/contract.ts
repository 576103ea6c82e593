/** The contract of a served mount, for every transport. */
import type { Log } from '../base/index.js'
import type { Tree } from '../vfs/index.js'
import type { NoteSkipped } from './holder/replay.js'

export interface MountOptions {
  /** Programs cannot change anything. Default false. */
  readonly readOnly?: boolean
  /**
   * Users other than the mounting one have access. Without root this needs `user_allow_other` in /etc/fuse.conf.
   * Default false.
   */
  readonly allowOther?: boolean
  /**
   * The kernel collects writes before it sends them. Only possible if nothing but this mount changes the tree: the
   * kernel ignores sizes and times set elsewhere, and unsynced data die with the daemon. Default false.
   */
  readonly writeback?: boolean
  /** Mount even if the directory is not empty or has a live mount. Default false. */
  readonly over?: boolean
  /** This is a remount after a crash: names beneath the mount are counted, and do not prevent it. Default false. */
  readonly again?: boolean
  /** The path is absolute and without links. Links that appear later are not followed. Default false. */
  readonly exact?: boolean
  /**
   * Changes the mode of the directory beneath so that only its owner can read it. The caller restores the mode. Default
   * false.
   */
  readonly guards?: boolean
  /** Shown as the device by `mount` and `df`. Default `dagdrive`. */
  readonly source?: string
  /**
   * The kernel aborts the mount if a request stays unanswered this long (Linux 6.15 and newer). 1 … 65,535 seconds; 0
   * means never. Default 600.
   */
  readonly requestTimeoutSeconds?: number
  /**
   * Descriptor of the memory that a holder keeps (SHARED_BYTES, initialized by `SharedState.begin`). With it, the mount
   * can be taken over when its server dies; without it, the mount dies with its server.
   */
  readonly sharedMemory?: number | undefined
  /** The file that says whether that memory has operations that are not on disk; see log-mark.ts. */
  readonly logMarkFile?: string | undefined
  /** Called when a request is answered with EIO because it ended two drive threads. @param what the operation */
  readonly onRefused?: (what: string) => void
  /** Called during a take-over for operations that are not replayed, because their replay ended two drive threads. */
  readonly onSkipped?: NoteSkipped
  /** Called during a take-over on a full disk; see ReplayHelp. */
  readonly untilSpace?: () => Promise<boolean>
}

/** The directory that a transport mounts on. */
export interface MountTarget {
  /** The path of the mount. */
  readonly mountpoint: string
  /** The path for mount(2): the same, or a path through the directory's descriptor. */
  readonly target: string
  /** A dead mount is on the directory. The new mount is placed beneath it, and the dead one is removed. */
  readonly replaces: boolean
}

/** The remains of a mount whose server died. */
export interface LivingMount {
  readonly mountpoint: string
  /** Descriptor of /dev/fuse. Its owner is the process that serves the mount from now on. */
  readonly channel: number
  /** As in MountOptions. */
  readonly sharedMemory: number
}

/**
 * How a mount ended: `unmounted` by any process, `aborted` through its connection, or `failed` with an error of the
 * channel.
 */
export type MountEnd = 'unmounted' | 'aborted' | 'failed'

export interface UnmountOptions {
  /** Detach the name at once, even if programs use the mount, and serve them until they finish. Default false: BUSY. */
  readonly lazy?: boolean
}

export interface FuseMount {
  /** Absolute, without symlinks. */
  readonly mountpoint: string
  readonly transport: TransportName
  /** The descriptor that the holder must keep, if the mount can be taken over. The mount owns it. */
  readonly channel: number | undefined
  /** Number of names in the directory beneath, hidden by the mount. */
  readonly beneath?: number
  /** The mode of the directory before it was guarded; undefined if it was not changed. */
  readonly bareMode?: number | undefined
  /** Whether it is the topmost mount at its path. */
  isShown(): Promise<boolean>
  /** Mounts the same connection at `target`. @returns false if this user may not, or the connection has ended */
  attach(target: string): Promise<boolean>
  /**
   * Makes the kernel send what programs wrote through shared mappings so far, also if the mount has no name any more.
   * Takes some seconds at most.
   * @throws NO_SPACE and others: a page could not be written, and the kernel does not send it again
   */
  writeBack(): Promise<void>
  /** Ends the connection: every call of a program on the mount fails. */
  abort(): Promise<void>
  /** From now on the mount dies with its server. */
  release(): void
  /** Resolves when the kernel has ended the mount, and every handle and reference is released. Never rejects. */
  readonly ended: Promise<MountEnd>
  /** Called once, even if the mount has already ended. */
  onEnd(listener: (end: MountEnd) => void): void
  /**
   * Writes the kernel's dirty pages back, unmounts, and calls `tree.syncAll`: the data is then `staged`. With `lazy` it
   * resolves when the name is detached, possibly before `ended`. Does nothing if the mount has ended.
   * @throws BUSY if programs use the mount; nothing has changed then
   */
  unmount(options?: UnmountOptions): Promise<void>
}

export type TransportName = 'native' | 'native-thread' | 'fuse-native'

/** Carries requests between kernel and tree. */
export interface FuseTransport {
  readonly name: TransportName
  /**
   * Mounts and serves until unmounted. The caller has checked the mountpoint. A tree is served by one mount at a time.
   * @throws MOUNT_FAILED
   */
  serve(tree: Tree, place: MountTarget, options: MountOptions, log: Log): Promise<FuseMount>
  /**
   * Continues a mount whose server died. It replays the operations that the server had answered, then serves its
   * unanswered requests.
   */
  takeOver?(tree: Tree, living: LivingMount, options: MountOptions, log: Log): Promise<FuseMount>
}
