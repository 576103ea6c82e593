/** The contract of a served mount, whatever carries it. */
import type { Log } from '../base/index.js'
import type { Tree } from '../vfs/index.js'

export interface MountOptions {
  /** Programs change nothing. Default false. */
  readonly readOnly?: boolean
  /**
   * Users other than the mounting one may enter. As non-root needs `user_allow_other` in /etc/fuse.conf. Default false.
   */
  readonly allowOther?: boolean
  /**
   * The kernel collects writes before it sends them. Only where nobody but this mount changes the tree: sizes and times
   * set elsewhere are ignored by the kernel, and data not yet synced die with the daemon. Default false.
   */
  readonly writeback?: boolean
  /** Mount although the directory is not empty or already carries a live mount. Default false. */
  readonly over?: boolean
  /** It was mounted there before: what lies beneath is counted, and is no reason to stay away. Default false. */
  readonly again?: boolean
  /** The path is absolute and without links, and none that come later are followed. Default false. */
  readonly exact?: boolean
  /**
   * The directory beneath can be read by its owner only, as long as the caller does not give its mode back. Default
   * false.
   */
  readonly guards?: boolean
  /** What `mount` and `df` show as the device. Default `dagdrive`. */
  readonly source?: string
  /**
   * The kernel gives up the whole mount when a request stays unanswered this long (Linux 6.15 and newer).
   * 1 … 65,535 seconds, 0 is never. Default 600.
   */
  readonly requestTimeoutSeconds?: number
  /**
   * Descriptor of the memory that a holder keeps (SHARED_BYTES of it, begun by `SharedState.begin`): the mount can be
   * taken over when its server dies. Absent: it dies with its server.
   */
  readonly sharedMemory?: number | undefined
}

/** Where a transport mounts. */
export interface MountTarget {
  /** What the mount is known by afterwards. */
  readonly mountpoint: string
  /** What mount(2) is given: the same, or the directory by its descriptor. */
  readonly target: string
  /** A dead mount is on it: the new one goes beneath it, and the dead one goes. */
  readonly replaces: boolean
}

/** What a server that died left of a mount. */
export interface LivingMount {
  readonly mountpoint: string
  /** Of /dev/fuse; owned by whoever serves it from now on. */
  readonly channel: number
  /** As in MountOptions. */
  readonly sharedMemory: number
}

/**
 * How a mount ended: `unmounted` by anyone, `aborted` through its connection, or `failed` with an error of the channel.
 */
export type MountEnd = 'unmounted' | 'aborted' | 'failed'

export interface UnmountOptions {
  /**
   * Detach the name at once when programs still use the mount, and serve them until they finish. Default false: BUSY.
   */
  readonly lazy?: boolean
}

export interface FuseMount {
  /** Absolute, without symlinks. */
  readonly mountpoint: string
  readonly transport: TransportName
  /** The descriptor to hold, where the mount can be taken over. Its owner is the mount. */
  readonly channel: number | undefined
  /** Names in the directory itself, hidden by the mount. */
  readonly beneath?: number
  /** The mode of the directory itself before it was guarded; undefined when it was not changed. */
  readonly bareMode?: number | undefined
  /** From now on it dies with its server. */
  release(): void
  /** Resolves when the kernel side is gone and every handle and reference is given back to the tree. Never rejects. */
  readonly ended: Promise<MountEnd>
  /** Called once, also when it has ended before. */
  onEnd(listener: (end: MountEnd) => void): void
  /**
   * Writes the kernel's dirty pages back, unmounts, and calls `tree.syncAll`: level reached `staged`.
   * With `lazy` it resolves when the name is detached, which may be before `ended`.
   * Fails with BUSY when programs use the mount; nothing has changed then. Does nothing when it has ended.
   */
  unmount(options?: UnmountOptions): Promise<void>
}

export type TransportName = 'native' | 'native-thread' | 'fuse-native'

/** What carries requests between kernel and tree. */
export interface FuseTransport {
  readonly name: TransportName
  /**
   * Mounts and serves until unmounted. Fails with MOUNT_FAILED. The caller has checked the mountpoint.
   * One tree is served by one mount at a time.
   */
  serve(tree: Tree, place: MountTarget, options: MountOptions, log: Log): Promise<FuseMount>
  /**
   * Goes on with a mount whose server died: what that one had answered is done again, then what it left unanswered is
   * served.
   */
  takeOver?(tree: Tree, living: LivingMount, options: MountOptions, log: Log): Promise<FuseMount>
}
