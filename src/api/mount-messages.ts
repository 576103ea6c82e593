/** Mounting and unmounting: the requests, one mount, and the answer about files that were beneath the mount. */
export interface MountRequest {
  /** Absolute. */
  readonly directory: string
  readonly readOnly?: boolean
  readonly allowOther?: boolean
  /** The directory may have files; `adoptFiles` then moves them. */
  readonly adopt?: boolean
}

export interface MountReport {
  readonly directory: string
  readonly readOnly: boolean
  readonly allowOther: boolean
  /** In the answer to `mount`: the error code when the check for versions of other devices failed. */
  readonly newerUnknown?: string
  /** Nothing serves it: its daemon and holder were killed. */
  readonly isDead?: true
}

/** Which mount is to end, and how. */
export interface UnmountRequest {
  /** Absolute; absent: every mount. */
  readonly directory?: string
  /** Unmounts without waiting for the node: everything becomes `staged`. */
  readonly now?: boolean
  /** Aborts the kernel connection and detaches the mount; open files fail. Independent of `now`. */
  readonly force?: boolean
}

/** What became of the files beneath a mount. */
export interface AdoptReport {
  /** Files, not directories. */
  readonly moved: number
  /** Names that the drive had already; at most 100. */
  readonly renamed: readonly { readonly from: string; readonly to: string }[]
  readonly moreRenamed: number
  /** Names that are still beneath the mount. */
  readonly left: number
  /** The first reason why something could not be copied. */
  readonly problem: string | undefined
}
