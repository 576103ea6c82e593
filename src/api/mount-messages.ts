/** Mounting: the request, and the answer about files that were beneath the mount. */
export interface MountRequest {
  /** Absolute. */
  readonly directory: string
  readonly readOnly?: boolean
  readonly allowOther?: boolean
  /** The directory may have files; `adoptFiles` then moves them. */
  readonly adopt?: boolean
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
